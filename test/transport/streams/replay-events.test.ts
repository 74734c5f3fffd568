import t from 'tap'
import type { EventStream } from '../../../lib/http/exchange.ts'
import type { EventStore } from '../../../lib/transport/mcp-server.ts'
import { replayInto } from '../../../lib/transport/streams/replay-events.ts'
import { FakeStream } from '../../fixtures/fake-exchange.ts'
import { until } from '../../fixtures/until.ts'
import { notification } from '../../fixtures/wired-transport.ts'

const note = (n: number) => notification('notifications/message', { n })

/** Replays these events, then fails if there is something to fail with. */
function setUp (events: Array<[id: string, message: object]>, failure?: { with: unknown }) {
  const out = new FakeStream(true)
  let opened = 0
  const sent: string[] = []
  const store = {
    replayEventsAfter: async (after: string, { send }: { send: (id: string, message: unknown) => Promise<void> }) => {
      t.equal(after, 'last')
      for (const [id, message] of events) {
        await send(id, message)
        sent.push(id)
      }
      if (failure !== undefined) throw failure.with
    }
  } as unknown as EventStore
  const open = (): EventStream => {
    opened++
    return out
  }
  const replay = (wanted = () => true) => replayInto(open, 'last', store, wanted)
  return { out, sent, opened: () => opened, replay }
}

t.test('events are written in order, and the one that primed the stream is not', async t => {
  const { out, opened, replay } = setUp([['0', {}], ['1', note(1)], ['2', note(2)]])
  t.strictSame(await replay(), { out })
  t.strictSame(out.events.map(({ id, data }) => [id, data]), [['1', note(1)], ['2', note(2)]])
  t.equal(opened(), 1)
})

t.test('where nothing is replayed nothing is opened, and a failure is told', async t => {
  const quiet = setUp([['0', {}]])
  t.strictSame([await quiet.replay(), quiet.opened()], [{ out: undefined }, 0])
  const error = new Error('no')
  t.strictSame(await setUp([], { with: error }).replay(), { out: undefined, error })
  t.match(await setUp([], { with: undefined }).replay(), { error: Error })
  const late = setUp([['1', note(1)]], { with: error })
  t.strictSame(await late.replay(), { out: late.out, error })
})

t.test('a replay goes at its client\'s pace', async t => {
  const { out, sent, replay } = setUp([['1', note(1)], ['2', note(2)]])
  out.buffered = 1
  const replaying = replay()
  await until('the first is written', () => out.events.length === 1)
  t.strictSame(sent, [])
  out.drain()
  await replaying
  t.strictSame(sent, ['1', '2'])
})

t.test('it stops when its client has left, or nobody wants it, and that is no failure', async t => {
  const left = setUp([['1', note(1)], ['2', note(2)]])
  left.out.buffered = 1
  const replaying = left.replay()
  await until('the first is written', () => left.out.events.length === 1)
  left.out.close()
  t.strictSame(await replaying, { out: left.out })
  t.strictSame(left.sent, ['1'])
  const unwanted = setUp([['1', note(1)]])
  t.strictSame([await unwanted.replay(() => false), unwanted.opened()], [{ out: undefined }, 0])
})

t.test('an id that cannot be sent is the store\'s failure', async t => {
  const { out, replay } = setUp([['a\nb', note(1)]])
  t.match(await replay(), { out, error: TypeError })
  t.strictSame(out.events, [])
})
