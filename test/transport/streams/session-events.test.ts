// Streams of a session whose store keeps sessions, and the server objects that served one, apart.
import t from 'tap'
import { EventsExpiredError } from '../../../lib/errors.ts'
import type { SessionEvents } from '../../../lib/transport/mcp-server.ts'
import type { FakeExchange } from '../../fixtures/fake-exchange.ts'
import { FakeExchange as Exchange } from '../../fixtures/fake-exchange.ts'
import { MemoryEventStore, MemorySessionEventStore } from '../../fixtures/memory-event-store.ts'
import { until } from '../../fixtures/until.ts'
import { notification, request, result, SESSION_ID, wiredTransport } from '../../fixtures/wired-transport.ts'

const note = (n: number) => notification('notifications/message', { n })
const ids = (exchange: FakeExchange): string[] => exchange.events.filter(event => event.id !== undefined).map(event => event.id!)
const lastId = (exchange: FakeExchange): string => ids(exchange).at(-1)!
const shown = (exchange: FakeExchange): unknown[] => exchange.messages.map(message => message.params?.n ?? message.id)

/** A store whose replays wait at each event, once shut, until the test lets them go on. */
class SlowReplays extends MemorySessionEventStore {
  shut = false
  readonly waiting: Array<() => void> = []
  /** Events that a replay has got rid of. */
  replayed = 0

  release (): void {
    this.shut = false
    for (const go of this.waiting.splice(0)) go()
  }

  override forSession (session: string, token: string): SessionEvents {
    const events = super.forSession(session, token)
    const pass = async (): Promise<void> => { if (this.shut) await new Promise<void>(resolve => this.waiting.push(resolve)) }
    return {
      ...events,
      replayEventsAfter: async (id, { send }) => {
        await pass()
        return events.replayEventsAfter(id, {
          send: async (eventId, message) => {
            await send(eventId, message)
            this.replayed++
            await pass()
          }
        })
      }
    }
  }
}

/** The session on the node that it had, and on one that takes it over. */
async function twice (eventStore = new MemorySessionEventStore()) {
  const before = wiredTransport({ eventStore, token: 'one' })
  await before.open()
  async function adopt () {
    const after = wiredTransport({ eventStore, token: 'two' })
    await after.open()
    await after.transport.takeOver()
    return after
  }
  return { eventStore, before, adopt }
}

t.test('a store is asked for the events of the session once, when there are some', async t => {
  const eventStore = new MemorySessionEventStore()
  const { transport, post, get, open, resume } = wiredTransport({ eventStore, token: 'one' })
  await open()
  post(request(1))
  await transport.send(result(1))
  t.same(eventStore.made, [])
  const standalone = get()
  await until('it is primed', () => standalone.events.length === 1)
  t.equal((await resume(lastId(standalone))).outcome, 'resumed')
  t.same(eventStore.made, [[SESSION_ID, 'one']])
})

t.test('the store is told which requests a stream answers, with its first event and once', async t => {
  const eventStore = new MemorySessionEventStore()
  const told: unknown[][] = []
  const forSession = eventStore.forSession.bind(eventStore)
  let broken = false
  eventStore.forSession = (session, token) => {
    const events = forSession(session, token)
    return {
      ...events,
      async storeEvent (...args) {
        told.push(args.slice(1))
        if (broken) throw new Error('store down')
        return events.storeEvent(...args)
      }
    }
  }
  const { transport, post, get, open } = wiredTransport({ eventStore })
  await open()
  get()
  post(request('a'))
  await transport.send(note(1), { relatedRequestId: 'a' })
  t.same(told, [[{}], [{}, { requests: ['a'] }], [note(1)]], 'a standalone stream answers none')
  told.length = 0
  broken = true
  post(request(2))
  await transport.send(note(2), { relatedRequestId: 2 })
  t.same(told, [[{}, { requests: [2] }], [note(2), { requests: [2] }]], 'again when the store did not take it')

  broken = false
  await open('2025-03-26')
  told.length = 0
  post([request(3), request(4), notification('n')])
  await transport.send(note(3), { relatedRequestId: 4 })
  await transport.send(note(4), { relatedRequestId: 3 })
  t.same(told, [[note(3), { requests: [3, 4] }], [note(4)]], 'a batch, of a client that gets no priming event')
})

t.test('a store of the SDK\'s kind is told nothing', async t => {
  const eventStore = new MemoryEventStore()
  const store = eventStore.storeEvent.bind(eventStore)
  eventStore.storeEvent = async (...args: any[]) => {
    t.equal(args.length, 2)
    return store(args[0], args[1])
  }
  const { transport, post, open } = wiredTransport({ eventStore })
  await open()
  post(request(1))
  await transport.send(note(1), { relatedRequestId: 1 })
  await transport.takeOver()
  await transport.forgetEvents()
  await wiredTransport().transport.takeOver()
  await wiredTransport().transport.forgetEvents()
})

t.test('the stream of a lost call is replayed with its error, and ends', async t => {
  const { before, adopt, eventStore } = await twice()
  const call = before.post(request(1))
  await before.transport.send(note(1), { relatedRequestId: 1 })
  await before.transport.send(note(2), { relatedRequestId: 1 })
  call.leave()
  const after = await adopt()
  await before.transport.send(note(3), { relatedRequestId: 1 })
  await before.transport.send(result(1))
  const rest = await after.resume(ids(call)[1]!)
  t.equal(rest.outcome, 'resumed')
  t.same(shown(rest), [2, 1], 'nothing that the lost server said after the takeover')
  t.match(rest.messages.at(-1), { id: 1, error: { data: { reason: 'owner_lost' } } })
  t.ok(rest.ended)
  t.equal(after.transport.streams, 0)
  t.equal(eventStore.log.filter(({ token }) => token === 'two').length, 1)
})

t.test('a standalone stream of the lost server goes on, under its name, and new ones have names of their own', async t => {
  const { before, adopt, eventStore } = await twice()
  const standalone = before.get()
  await before.transport.send(note(1))
  const after = await adopt()
  await after.transport.send(note(2))
  const rest = await after.resume(ids(standalone)[0]!)
  t.equal(rest.outcome, 'resumed')
  await after.transport.send(note(3))
  t.same(shown(rest), [1, 2, 3])
  t.notOk(rest.ended)
  rest.leave()
  await until('it is forgotten', () => after.transport.streams === 0)
  await after.transport.send(note(4))
  const again = await after.resume(lastId(standalone))
  t.same(shown(again), [2, 3, 4])
  const fresh = after.get()
  await until('it is primed', () => fresh.events.length === 1)
  t.equal(new Set(eventStore.log.map(({ streamId }) => streamId)).size, 2)
})

for (const kind of ['post', 'get'] as const) {
  t.test(`resumes of a ${kind} stream that overlap: each connection has each event once, in order`, async t => {
    const store = new SlowReplays()
    const { before, adopt } = await twice(store)
    const stream = kind === 'post' ? before.post(request(1)) : before.get()
    for (let n = 1; n <= 5; n++) await before.transport.send(note(n), kind === 'post' ? { relatedRequestId: 1 } : undefined)
    stream.leave()
    const after = await adopt()
    store.shut = true
    const exchanges = [new Exchange(), new Exchange(), new Exchange()]
    const resuming = [after.transport.resume(ids(stream)[0]!, exchanges[0]!)]
    await until('it is replaying', () => store.waiting.length === 1)
    resuming.push(after.transport.resume(ids(stream)[2]!, exchanges[1]!))
    const said = kind === 'get' ? [after.transport.send(note(6))] : []
    resuming.push(after.transport.resume(ids(stream)[1]!, exchanges[2]!))
    store.release()
    t.same(await Promise.all(resuming), ['resumed', 'resumed', 'resumed'])
    await Promise.all(said)
    if (kind === 'get') await after.transport.send(note(7))
    const end = kind === 'get' ? [6, 7] : [1]
    await until('it is all there', () => shown(exchanges[2]!).length === 4 + end.length)
    t.same(shown(exchanges[2]!), [2, 3, 4, 5, ...end])
    t.same(exchanges.map(exchange => exchange.ended), [true, true, kind === 'post'])
    const [first, second] = exchanges.map(shown)
    t.same(first, [1, 2, 3, 4, 5].slice(0, first!.length))
    t.same(second, [3, 4, 5].slice(0, second!.length))
    t.equal(after.transport.streams, kind === 'post' ? 0 : 1)
  })
}

t.test('a resume that another one supersedes in the middle stops there', async t => {
  const store = new SlowReplays()
  const { transport, get, open, resume } = wiredTransport({ eventStore: store })
  await open()
  const standalone = get()
  for (let n = 1; n <= 3; n++) await transport.send(note(n))
  standalone.leave()
  store.shut = true
  const slow = new Exchange()
  const first = transport.resume(ids(standalone)[0]!, slow)
  await until('it is replaying', () => store.waiting.length === 1)
  store.waiting.splice(0)[0]!()
  await until('it has written one', () => slow.messages.length === 1)
  const second = resume(ids(standalone)[0]!)
  await until('its connection is dropped, though its client may never read on', () => slow.sse!.destroyed)
  store.release()
  t.equal(await first, 'resumed')
  t.same(shown(slow), [1])
  t.same(shown(await second), [1, 2, 3])
})

t.test('who resumes a stream while another one does finds it, whatever became of a third', async t => {
  const store = new SlowReplays()
  const { before, adopt } = await twice(store)
  const standalone = before.get()
  await before.transport.send(note(1))
  const { transport } = await adopt()
  const [gone, second, third] = [new Exchange(), new Exchange(), new Exchange()]
  gone.leave()
  store.shut = true
  const resuming = [gone, second].map(exchange => transport.resume(ids(standalone)[0]!, exchange))
  await until('the first replays', () => store.waiting.length === 1)
  store.waiting.splice(0)[0]!()
  await resuming[0]
  await until('the second replays', () => store.waiting.length === 1)
  resuming.push(transport.resume(ids(standalone)[0]!, third))
  await new Promise(resolve => setImmediate(resolve))
  store.release()
  await Promise.all(resuming)
  t.same([second.ended, third.ended], [true, false])
  t.same(shown(third), [1])
})

t.test('a client that leaves in the middle of a replay ends it', async t => {
  const store = new SlowReplays()
  const { transport, get, open, log } = wiredTransport({ eventStore: store })
  await open()
  const standalone = get()
  for (let n = 1; n <= 3; n++) await transport.send(note(n))
  standalone.leave()
  store.shut = true
  const exchange = new Exchange()
  const resuming = transport.resume(ids(standalone)[0]!, exchange)
  await until('it is replaying', () => store.waiting.length === 1)
  store.waiting.splice(0)[0]!()
  await until('it has written one', () => exchange.messages.length === 1)
  exchange.leave()
  store.release()
  t.equal(await resuming, 'resumed')
  t.same(shown(exchange), [1])
  t.equal(store.replayed, 1, 'nothing is read for nobody')
  t.same(log.lines, [])
  await until('it is forgotten', () => transport.streams === 0)
})

for (const where of ['getStreamIdForEventId', 'replayEventsAfter'] as const) {
  t.test(`events that the store has let go of are refused before any header (${where})`, async t => {
    const store = new SlowReplays()
    const { transport, get, open, resume } = wiredTransport({ eventStore: store })
    await open()
    const standalone = get()
    await transport.send(note(1))
    standalone.leave()
    await until('it is forgotten', () => transport.streams === 0)
    if (where === 'getStreamIdForEventId') {
      store.expire()
      const refused = await resume(lastId(standalone))
      t.equal(refused.outcome, 'expired')
      t.equal(refused.answered, undefined)
      return
    }
    store.shut = true
    const exchange = new Exchange()
    const resuming = transport.resume(lastId(standalone), exchange)
    await until('it asks for the replay', () => store.waiting.length === 1)
    t.equal(exchange.answered, undefined, 'no header before the store has said something')
    store.expire()
    store.release()
    t.equal(await resuming, 'expired')
    t.equal(exchange.answered, undefined)
    await transport.send(note(2))
    const other = get()
    await until('what was said in between comes on another stream', () => other.messages.length === 1)
    t.same(shown(other), [2])
  })
}

t.test('a store that lets go of events in the middle of a replay ends the connection: no gap', async t => {
  const store = new MemorySessionEventStore()
  const forSession = store.forSession.bind(store)
  store.forSession = (session, token) => {
    const events = forSession(session, token)
    return {
      ...events,
      replayEventsAfter: (id, { send }) => events.replayEventsAfter(id, {
        async send (eventId, message) {
          await send(eventId, message)
          throw new EventsExpiredError()
        }
      })
    }
  }
  const { transport, get, open, resume } = wiredTransport({ eventStore: store })
  await open()
  const standalone = get()
  for (let n = 1; n <= 3; n++) await transport.send(note(n))
  const rest = await resume(ids(standalone)[0]!)
  t.equal(rest.outcome, 'resumed')
  t.same(shown(rest), [1])
  t.ok(rest.ended)
})

t.test('a replay with nothing in it opens the stream when it is over', async t => {
  const { transport, get, open, resume } = wiredTransport({ eventStore: new MemorySessionEventStore() })
  await open()
  const standalone = get()
  await transport.send(note(1))
  const rest = await resume(lastId(standalone))
  t.equal(rest.answered, 'stream')
  t.notOk(rest.ended)
  await transport.send(note(2))
  t.same(shown(rest), [2])
})

t.test('a session that ends in the middle of a replay opens nothing', async t => {
  const store = new SlowReplays()
  const { transport, get, open } = wiredTransport({ eventStore: store })
  await open()
  const standalone = get()
  await transport.send(note(1))
  store.shut = true
  const exchange = new Exchange()
  const resuming = transport.resume(ids(standalone)[0]!, exchange)
  await until('it asks for the replay', () => store.waiting.length === 1)
  await transport.close()
  store.release()
  t.equal(await resuming, 'unknown')
  t.equal(exchange.answered, undefined)
  t.equal(transport.streams, 0)
})

t.test('the events of a session that has ended may go, whoever stored them', async t => {
  const eventStore = new MemorySessionEventStore()
  const { transport } = wiredTransport({ eventStore })
  await transport.close()
  await transport.forgetEvents()
  t.same(eventStore.forgotten, [SESSION_ID])
})
