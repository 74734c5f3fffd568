// Streams that outlive their connection, with an event store.
import { InMemoryEventStore } from '@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js'
import t from 'tap'
import type { EventStore } from '../../../lib/transport/mcp-server.ts'
import type { FakeExchange } from '../../fixtures/fake-exchange.ts'
import { MemoryEventStore } from '../../fixtures/memory-event-store.ts'
import { until } from '../../fixtures/until.ts'
import { notification, request, result, SESSION_ID, wiredTransport } from '../../fixtures/wired-transport.ts'

const note = (n: number) => notification('notifications/message', { n })
const ids = (exchange: FakeExchange): string[] => exchange.events.filter(event => event.id !== undefined).map(event => event.id!)
const lastId = (exchange: FakeExchange): string => ids(exchange).at(-1)!
const shown = (exchange: FakeExchange): unknown[] => exchange.messages.map(message => message.params?.n ?? message.id)

/** A store whose calls wait until the test lets them go. */
function gated (store: EventStore = new MemoryEventStore()) {
  const waiting: Array<() => void> = []
  let shut = false
  const pass = async (): Promise<void> => { if (shut) await new Promise<void>(resolve => waiting.push(resolve)) }
  return {
    shut (): void { shut = true },
    release (): void {
      shut = false
      for (const go of waiting.splice(0)) go()
    },
    get waiting (): number { return waiting.length },
    async storeEvent (streamId: string, message: any): Promise<string> {
      await pass()
      return store.storeEvent(streamId, message)
    },
    getStreamIdForEventId: (id: string) => store.getStreamIdForEventId!(id),
    async replayEventsAfter (id: string, callbacks: any): Promise<string> {
      await pass()
      return store.replayEventsAfter(id, callbacks)
    }
  }
}

t.test('a stream begins with a priming event, and every event has an id', async t => {
  const { transport, post, get, open } = wiredTransport({ eventStore: new MemoryEventStore(), retry: 2500 })
  await open()
  const call = post(request(1))
  const sent = transport.send(note(1), { relatedRequestId: 1 })
  t.equal(call.answered, 'stream', 'the headers do not wait for the store')
  await sent
  await transport.send(result(1))
  await until('the stream ends', () => call.ended)
  t.match(call.events[0], { id: String, data: '' })
  t.same(call.events.filter(({ retry }) => retry !== undefined), [], 'nobody is told to come back to a stream that ends')
  t.equal(new Set(ids(call)).size, 3)
  t.same(shown(call), [1, 1])
  const standalone = get()
  await until('it is primed', () => standalone.events.length === 1)
})

t.test('clients before 2025-11-25 get ids but no priming event', async t => {
  const { transport, get, open, extras, post } = wiredTransport({ eventStore: new MemoryEventStore() })
  await open('2025-06-18')
  post(request(1))
  t.equal(extras.at(-1)!.closeSSEStream, undefined)
  const standalone = get()
  await transport.send(note(1))
  t.match(standalone.events, [{ id: String, event: 'message' }])
})

t.test('a JSON answer is stored nowhere', async t => {
  const store = new MemoryEventStore()
  store.storeEvent = async () => { throw new Error('stored') }
  const { transport, post, open, log } = wiredTransport({ eventStore: store })
  await open()
  const call = post(request(1))
  await transport.send(result(1))
  t.equal(call.answered, 'json')
  t.same(log.lines, [])
})

t.test('a call whose client went away goes on in another connection, and ends there', async t => {
  const { transport, post, open, resume } = wiredTransport({ eventStore: new MemoryEventStore() })
  await open()
  const call = post(request(1))
  await transport.send(note(1), { relatedRequestId: 1 })
  await transport.send(note(2), { relatedRequestId: 1 })
  call.leave()
  await transport.send(note(3), { relatedRequestId: 1 })
  const rest = await resume(ids(call)[1]!)
  t.equal(rest.outcome, 'resumed')
  t.same(shown(rest), [2, 3])
  await transport.send(note(4), { relatedRequestId: 1 })
  t.notOk(rest.ended)
  await transport.send(result(1))
  await until('it ends', () => rest.ended)
  t.same(shown(rest), [2, 3, 4, 1])
  const again = await resume(lastId(call))
  t.same(shown(again), [3, 4, 1], 'a finished stream is replayed')
  t.ok(again.ended, 'and ended')
  await until('all are forgotten', () => transport.streams === 0)
})

t.test('messages of a resumed stream come once and in order, whatever the store is doing', async t => {
  const store = gated()
  const { transport, post, open, resume } = wiredTransport({ eventStore: store })
  await open()
  const call = post(request(1))
  await transport.send(note(1), { relatedRequestId: 1 })
  store.shut()
  const early = transport.send(note(2), { relatedRequestId: 1 })
  await until('the store holds it', () => store.waiting === 1)
  call.leave()
  const resuming = resume(lastId(call))
  const late = transport.send(note(3), { relatedRequestId: 1 })
  store.release()
  const rest = await resuming
  await Promise.all([early, late])
  await transport.send(note(4), { relatedRequestId: 1 })
  t.same(shown(rest), [2, 3, 4])
  t.equal(new Set(ids(rest)).size, 3)
})

t.test('a resume takes over from a connection that is still there', async t => {
  const { transport, get, open, resume } = wiredTransport({ eventStore: new MemoryEventStore() })
  await open()
  const half = get()
  await transport.send(note(1))
  half.sse!.buffered = 1
  const stuck = transport.send(note(2))
  const taken = await resume(ids(half)[1]!)
  t.ok(half.sse!.destroyed)
  await stuck
  await transport.send(note(3))
  t.same(shown(taken), [2, 3])
  await until('one stream is left', () => transport.streams === 1)
})

t.test('of resumes that come together the last has the stream, the others end', async t => {
  const store = gated()
  const { transport, get, open, resume } = wiredTransport({ eventStore: store })
  await open()
  const standalone = get()
  await until('it is primed', () => standalone.events.length === 1)
  standalone.leave()
  store.shut()
  const resuming = [resume(lastId(standalone)), resume(lastId(standalone)), resume(lastId(standalone))]
  await until('the first asks for the replay', () => store.waiting === 1)
  store.release()
  const resumed = await Promise.all(resuming)
  await transport.send(note(1))
  await until('one got it', () => resumed.some(exchange => exchange.messages.length === 1))
  t.same(resumed.map(shown), [[], [], [1]])
  t.same(resumed.map(exchange => exchange.ended), [true, true, false])
  t.equal(transport.streams, 1)
})

t.test('what is said while no standalone stream is open waits in the store for the last one', async t => {
  const { transport, get, open, resume } = wiredTransport({ eventStore: new MemoryEventStore() })
  await open()
  await transport.send(note(1))
  const first = get()
  await until('the queued message is there', () => first.messages.length === 1)
  const second = get()
  await transport.send(note(2))
  second.leave()
  await until('it is forgotten', () => transport.streams === 1)
  await transport.send(note(3))
  first.leave()
  await until('it is forgotten', () => transport.streams === 0)
  await transport.send(note(4))
  t.same(shown(first), [1, 3])
  const rest = await resume(lastId(first))
  t.same(shown(rest), [4], 'never what another stream has carried')
  await transport.send(note(5))
  t.same(shown(rest), [4, 5])
  t.same(shown(await resume(ids(second)[0]!)), [2])
})

t.test('more than the queue holds is kept for a client that can resume', async t => {
  const { transport, get, open, resume } = wiredTransport({ eventStore: new MemoryEventStore() })
  await open()
  const standalone = get()
  await transport.send(note(0))
  standalone.leave()
  await until('it is forgotten', () => transport.streams === 0)
  for (let n = 1; n <= 40; n++) await transport.send(note(n))
  t.same(shown(await resume(lastId(standalone))), Array.from({ length: 40 }, (_, index) => index + 1))
})

t.test('a store that replays priming events as well makes no messages of them', async t => {
  const store = new MemoryEventStore()
  const { transport, get, open, resume } = wiredTransport({ eventStore: store })
  await open()
  const standalone = get()
  await transport.send(note(1))
  const replay = store.replayEventsAfter.bind(store)
  store.replayEventsAfter = async (id, callbacks) => {
    await callbacks.send('0', {})
    return replay(id, callbacks)
  }
  t.same((await resume(ids(standalone)[0]!)).messages, [note(1)])
})

t.test('a handler may end the connection of its call, and of the standalone stream', async t => {
  const { transport, post, get, open, resume, extras } = wiredTransport({ eventStore: new MemoryEventStore(), retry: 2500 })
  await open()
  const call = post(request(1))
  const standalone = get()
  extras.at(-1)!.closeSSEStream!()
  extras.at(-1)!.closeStandaloneSSEStream!()
  await until('both end', () => call.ended && standalone.ended)
  t.match(call.events, [{ id: String, data: '' }, { retry: '2500' }], 'primed first, so that the client can come back, and told when')
  t.match(standalone.events, [{ id: String, data: '' }, { retry: '2500' }])
  t.equal(transport.busy, true)
  await transport.send(note(1), { relatedRequestId: 1 })
  await transport.send(result(1))
  t.same(shown(await resume(lastId(call))), [1, 1])
  extras.at(-1)!.closeSSEStream!()
})

t.test('a call cancelled on a stream that its client would resume says so', async t => {
  const { transport, post, open, resume } = wiredTransport({ eventStore: new MemoryEventStore() })
  await open()
  const call = post(request(1))
  await transport.send(note(1), { relatedRequestId: 1 })
  post(notification('notifications/cancelled', { requestId: 1 }))
  await until('it ends', () => call.ended)
  t.match(call.messages.at(-1), { id: 1, error: { code: -32800 } })
  t.match((await resume(ids(call)[1]!)).messages, [{ error: { code: -32800 } }])
  const silent = post(request(2))
  post(notification('notifications/cancelled', { requestId: 2 }))
  t.ok(silent.ended)
  t.same(silent.events, [])
})

for (const asking of ['getStreamIdForEventId', 'replayEventsAfter'] as const) {
  t.test(`only events of this session can be resumed (${asking})`, async t => {
    const store = new MemoryEventStore()
    const eventStore: EventStore = asking === 'getStreamIdForEventId'
      ? store
      : { storeEvent: (name, message) => store.storeEvent(name, message), replayEventsAfter: (id, callbacks) => store.replayEventsAfter(id, callbacks) }
    const mine = wiredTransport({ eventStore })
    const other = wiredTransport({ eventStore, sessionId: SESSION_ID.replace('_', '-') })
    const longer = wiredTransport({ eventStore, sessionId: `${SESSION_ID}A` })
    const standalones = await Promise.all([mine, other, longer].map(async ({ transport, open, get }) => {
      await open()
      const standalone = get()
      await transport.send(note(1))
      return standalone
    }))
    t.equal((await mine.resume(ids(standalones[0]!)[0]!)).outcome, 'resumed')
    for (const id of [ids(standalones[1]!)[0]!, ids(standalones[2]!)[0]!, '999', 'none', '']) {
      const refused = await mine.resume(id)
      t.equal(refused.outcome, 'unknown', id)
      t.equal(refused.answered, undefined)
    }
    const foreign = await store.storeEvent('_GET_stream', note(1))
    t.equal((await mine.resume(foreign)).outcome, 'unknown')
    t.notOk(standalones[1]!.ended)
  })
}

t.test('a store that fails loses ids, not messages', async t => {
  const store = new MemoryEventStore()
  const { transport, get, open, resume, log } = wiredTransport({ eventStore: store })
  await open()
  store.storeEvent = async () => { throw new Error('store down') }
  const standalone = get()
  await transport.send(note(1))
  t.same(standalone.events, [{ event: 'message', data: note(1) }])
  t.match(log.lines.at(-1), { level: 'warn', fields: { err: { message: 'store down' } } })
  store.getStreamIdForEventId = async () => { throw new Error('store down') }
  t.equal((await resume('1')).outcome, 'unknown')
})

t.test('a replay that fails ends the connection, so that the client comes again', async t => {
  const store = new MemoryEventStore()
  const { transport, get, open, resume, log } = wiredTransport({ eventStore: store })
  await open()
  const standalone = get()
  await transport.send(note(1))
  standalone.leave()
  const replay = store.replayEventsAfter
  store.replayEventsAfter = async () => { throw new Error('store down') }
  const failed = await resume(ids(standalone)[0]!)
  t.ok(failed.ended)
  t.match(log.lines.at(-1), { level: 'warn', message: /failed in a replay/ })
  store.replayEventsAfter = replay
  t.same(shown(await resume(ids(standalone)[0]!)), [1])
})

t.test('a session that ends during a resume opens no stream', async t => {
  const store = gated()
  const { transport, get, open, resume } = wiredTransport({ eventStore: store })
  await open()
  const standalone = get()
  await transport.send(note(1))
  store.shut()
  const sending = transport.send(note(2))
  const resuming = resume(lastId(standalone))
  await until('the store holds it', () => store.waiting === 1)
  await transport.close()
  store.release()
  t.equal((await resuming).outcome, 'unknown')
  await sending
  t.equal((await resume(lastId(standalone))).outcome, 'unknown')
})

t.test('close does not wait for a store that hangs', async t => {
  const store = gated()
  const { transport, post, open } = wiredTransport({ eventStore: store, responseMode: 'sse' })
  await open()
  store.shut()
  const call = post(request(1))
  await transport.close()
  t.match(call.messages, [{ id: 1, error: { data: { reason: 'session_ended' } } }])
  t.ok(call.ended)
  store.release()
})

t.test('the SDK\'s own InMemoryEventStore finds our streams again', async t => {
  const { transport, get, open, resume } = wiredTransport({ eventStore: new InMemoryEventStore() as EventStore, token: 'e_p' })
  await open()
  const standalone = get()
  await transport.send(note(1))
  standalone.leave()
  await until('it is forgotten', () => transport.streams === 0)
  // It sorts events by their ids, which within a millisecond are random.
  const millisecond = Date.now()
  await until('the clock moves on', () => Date.now() > millisecond)
  await transport.send(note(2))
  const rest = await resume(lastId(standalone))
  t.equal(rest.outcome, 'resumed')
  t.same(shown(rest), [2])
})
