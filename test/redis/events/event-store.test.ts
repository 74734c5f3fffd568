import { randomBytes, randomUUID } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { appendEvent, takeOverEvents } from '../../../lib/redis/scripts/event-scripts.ts'
import { redisEventStore, type RedisEventStoreOptions } from '../../../lib/redis/events/event-store.ts'
import { newSessionId } from '../../../lib/session-id.ts'
import type { EventStore, SessionEventStore } from '../../../lib/transport/mcp-server.ts'
import { StreamNames } from '../../../lib/transport/streams/stream-names.ts'
import { keptLog } from '../../fixtures/log.ts'
import { connect, connectCluster, countCommands, startCluster, startRedis, type RedisServer } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'

const EXPIRED = { code: 'MCP_STICKY_ERR_EVENTS_EXPIRED' }
const TAKEN = { message: 'another incarnation of the session has taken its events over' }
const note = (n: number) => ({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: n } })
const answer = (id: number | string) => ({ jsonrpc: '2.0', id, result: {} })
const lost = (id: number | string) => ({ jsonrpc: '2.0', id, error: { code: -32000, message: String, data: { reason: 'owner_lost' } } })

type Options = Partial<RedisEventStoreOptions>

/** A store with a prefix of its own; it stops with the test. */
function storeOn (t: Test, redis: Redis | Cluster, options: Options = {}): SessionEventStore {
  const store = redisEventStore({ redis: redis as Redis, keyPrefix: randomPrefix(), ...options })
  t.teardown(() => store.stop())
  return store
}

/** One incarnation of a session, or of a new one. */
function incarnation (store: SessionEventStore, sessionId = newSessionId(randomBytes(8).toString('hex'))) {
  const token = randomUUID()
  const names = new StreamNames(sessionId, token)
  return { sessionId, token, names, events: store.forSession(sessionId, token) }
}

async function replay (events: EventStore, after: string): Promise<{ ids: string[], messages: unknown[], stream: string }> {
  const ids: string[] = []
  const messages: unknown[] = []
  const stream = await events.replayEventsAfter(after, {
    send: async (id, message) => {
      ids.push(id)
      messages.push(message)
    }
  })
  return { ids, messages, stream }
}

async function storeAll (events: EventStore, stream: string, messages: object[]): Promise<string[]> {
  const ids: string[] = []
  for (const message of messages) ids.push(await events.storeEvent(stream, message))
  return ids
}

const server: RedisServer = await startRedis(t)
const client = connect(t, server)
await client.ping()

t.test('events of a stream come back in order, without those of others', async t => {
  const store = storeOn(t, client)
  const { events, names } = incarnation(store)
  const [post, get] = [names.next('post'), names.next('get')]
  const first = await events.storeEvent(post, {})
  const ids = []
  for (let n = 1; n <= 5; n++) {
    ids.push(await events.storeEvent(post, note(n)))
    await events.storeEvent(get, note(-n))
  }
  t.match(first, /^[\x21-\x7e]+$/)
  t.equal(await events.getStreamIdForEventId!(first), post)
  t.equal(await store.getStreamIdForEventId!(first), post, 'any node can tell, without the session')
  t.same(await replay(events, first), { ids, messages: [1, 2, 3, 4, 5].map(note), stream: post })
  t.same((await replay(store, ids[3]!)).messages, [note(5)])
  t.same((await replay(events, ids[4]!)).messages, [])
})

t.test('every stream has its key: a session one, each of somebody else\'s its own', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix, maxAge: 60_000 })
  const { events, names, sessionId } = incarnation(store)
  await events.storeEvent(names.next('post'), note(1))
  await events.storeEvent(names.next('get'), note(1))
  const uuid = randomUUID()
  const [id] = await storeAll(store, '_GET_stream', [{}, note(1)])
  await store.storeEvent(uuid, note(2))
  t.same((await client.keys(`${keyPrefix}*`)).sort(), [sessionId, '_GET_stream', uuid].map(name => `${keyPrefix}events:${name}`).sort())
  t.equal(await store.getStreamIdForEventId!(id!), '_GET_stream')
  t.match(await replay(store, id!), { messages: [note(1)], stream: '_GET_stream' })
  for (const key of await client.keys(`${keyPrefix}*`)) t.ok(await client.pttl(key) > 0, 'and its end')
})

t.test('what no event is called never reaches Redis, and is unknown', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix })
  const { events, names } = incarnation(store)
  const mine = await events.storeEvent(names.next('post'), note(1))
  const entry = mine.slice(mine.lastIndexOf('/'))
  const stream = mine.slice(0, mine.lastIndexOf('/'))
  const garbage = ['', '/', 'x', '1-1', entry, `${stream}/`, `${stream}/-`, `${stream}/+`, `${stream}/0`, `${stream}/1-`, `${stream}/1-1-1`,
    `${stream}/${'9'.repeat(17)}-0`, `${'x'.repeat(201)}${entry}`, `a b${entry}`, `a\n${entry}`, `ü${entry}`, `${stream}/1-*`, `${stream}/(1-1`, 'x'.repeat(100_000)]
  const seen = await countCommands(server, async () => {
    for (const id of garbage) {
      t.equal(await store.getStreamIdForEventId!(id), undefined, id.slice(0, 60))
      t.equal(await events.getStreamIdForEventId!(id), undefined)
      t.same(await replay(events, id), { ids: [], messages: [], stream: '' })
      t.same(await replay(store, id), { ids: [], messages: [], stream: '' })
    }
  }, keyPrefix)
  t.same(seen, [])
  const other = incarnation(store)
  t.equal(await other.events.getStreamIdForEventId!(mine), undefined, 'nor is another session\'s')
  t.equal((await replay(other.events, mine)).stream, '')
  t.equal(await store.getStreamIdForEventId!(`${names.next('post')}${entry}`), undefined, 'nor one under another stream\'s name')
  t.equal((await replay(store, `${names.next('post')}${entry}`)).stream, '')
  await t.rejects(store.getStreamIdForEventId!(`made-up${entry}`), EXPIRED, 'a made-up one of the right shape cannot be told from one that is gone')
})

t.test('a name that ids cannot carry is refused, and another session\'s', async t => {
  const store = storeOn(t, client)
  const { events } = incarnation(store)
  for (const name of ['', 'a b', 'é', 'x'.repeat(201)]) await t.rejects(store.storeEvent(name, note(1)), { name: 'TypeError' })
  await t.rejects(events.storeEvent(incarnation(store).names.next('post'), note(1)), { message: 'the stream is not of this session' })
})

t.test('an append that is sent twice has one entry, and the id that it had', async t => {
  const key = `${randomPrefix()}events:x`
  const append = async (sequence: number, known: string, { token = 'a', generation = '0' } = {}) => {
    const appended = await client.eval(appendEvent.lua, 1, key, token, String(sequence), generation, known, '1000', '60000', 's', JSON.stringify(note(sequence)), '', '1000000', '', '0')
    return (appended as [string, string] | null)?.[0]
  }
  const first = await append(1, '0-0')
  const second = await append(2, first!)
  const third = await append(3, first!)
  t.same([await append(2, first!), await append(3, first!), await append(1, '0-0')], [second, third, first])
  t.equal(await client.xlen(key), 3)
  t.not(await append(3, first!, { token: 'b' }), third, 'another producer\'s number is another\'s')
  for (let n = 4; n <= 300; n++) await append(n, third!)
  t.equal(await append(250, third!), (await client.xrange(key, '-', '+'))[250]![0], 'however much came in between')
  t.equal(await client.xlen(key), 301)
})

t.test('many appends at once: each once, in order', async t => {
  const store = storeOn(t, client)
  const { events, names } = incarnation(store)
  const stream = names.next('get')
  const first = await events.storeEvent(stream, {})
  const ids = await Promise.all(Array.from({ length: 250 }, (_, n) => events.storeEvent(stream, note(n))))
  const seen = await replay(events, first)
  t.same(seen.ids, ids, 'over several pages')
  t.same(seen.messages, Array.from({ length: 250 }, (_, n) => note(n)))
})

t.test('an event of any size, and one of any characters', async t => {
  const store = storeOn(t, client)
  const { events, names } = incarnation(store)
  const stream = names.next('post')
  const messages = [3_000_000, 3_000_000, 10].map((length, n) => ({ ...note(n), text: 'x'.repeat(length) }))
  const odd = { ...note(9), text: 'ü\u2028\n"\\ \u{1f600}\u0000' }
  const first = await events.storeEvent(stream, {})
  await storeAll(events, stream, [...messages, odd])
  t.same((await replay(events, first)).messages, [...messages, odd])
})

t.test('trimmed by count: expired, never a gap', async t => {
  const store = storeOn(t, client, { maxEvents: 10 })
  const { events, names } = incarnation(store)
  const ids = await storeAll(events, names.next('post'), Array.from({ length: 12 }, (_, n) => note(n)))
  for (const id of ids.slice(0, 2)) {
    await t.rejects(events.getStreamIdForEventId!(id), EXPIRED)
    await t.rejects(replay(events, id), EXPIRED)
    await t.rejects(replay(store, id), EXPIRED)
  }
  t.same((await replay(events, ids[2]!)).ids, ids.slice(3))
})

t.test('trimmed by bytes: what is kept is bounded, and expired, never a gap', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix, maxBytes: 100_000 })
  const { events, names, sessionId } = incarnation(store)
  const key = `${keyPrefix}events:${sessionId}`
  const kept = async (): Promise<number> => (await client.xrange(key, '-', '+')).reduce((sum, [, fields]) => sum + fields[3]!.length, 0)
  const stream = names.next('post')
  const ids: string[] = []
  for (let n = 0; n < 60; n++) {
    // Small ones and large ones, and at times several streams at once.
    const length = [10, 4000, 30_000][n % 3]!
    const [id] = await Promise.all([stream, names.next('post')].map(name => events.storeEvent(name, { ...note(n), text: 'x'.repeat(length) })))
    ids.push(id!)
    t.ok(await kept() <= 100_000 + 30_000, `after ${n}: ${await kept()}`)
  }
  t.ok(await kept() > 30_000)
  await t.rejects(replay(events, ids[30]!), EXPIRED)
  t.same((await replay(events, ids[57]!)).ids, ids.slice(58))
  const rival = incarnation(store, sessionId)
  await rival.events.takeOver()
  for (let n = 0; n < 10; n++) await rival.events.storeEvent(stream, { ...note(n), text: 'x'.repeat(30_000) })
  t.ok(await kept() <= 100_000, 'an adopter knows the size as well')
})

t.test('the newest event is kept whatever its size, and the one that its client resumes from', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix, maxBytes: 10_000 })
  for (const events of [incarnation(store), undefined]) {
    const stream = events?.names.next('post') ?? 'somebody-elses'
    const to = events?.events ?? store
    const first = await to.storeEvent(stream, {})
    const big = await to.storeEvent(stream, { ...note(1), text: 'x'.repeat(1_000_000) })
    t.same((await replay(to, first)).ids, [big])
    await to.storeEvent(stream, note(2))
    const last = await to.storeEvent(stream, note(3))
    await t.rejects(replay(to, first), EXPIRED)
    t.same((await replay(to, big).catch(() => ({ ids: [last] }))).ids.at(-1), last)
    const key = `${keyPrefix}events:${events?.sessionId ?? stream}`
    t.ok(await client.strlen(key).catch(() => client.memory('USAGE', key) as Promise<number>) < 100_000, 'it goes with the next but one')
  }
})

t.test('entries of before there were sizes are read, taken over, and let go of', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix, maxBytes: 50_000 })
  const old = incarnation(store)
  const stream = old.names.next('post')
  const key = `${keyPrefix}events:${old.sessionId}`
  const ids: string[] = []
  for (let n = 0; n < 10; n++) {
    ids.push(String(await client.xadd(key, '*', 's', stream, 'd', JSON.stringify({ ...note(n), text: 'x'.repeat(8000) }), 'p', 'old', 'n', String(n), 'g', '0', ...(n > 4 ? ['q', '7'] : []))))
  }
  const young = incarnation(store, old.sessionId)
  await young.events.takeOver()
  const { messages } = await replay(young.events, `${stream}/${ids[8]!}`)
  t.match(messages, [note(9), lost(7)])
  for (let n = 0; n < 20; n++) await young.events.storeEvent(stream, { ...note(n), text: 'x'.repeat(8000) })
  const kept = await client.xrange(key, '-', '+')
  t.ok(kept.length <= 7 && kept.length > 4, `${kept.length} are kept`)
})

t.test('no script looks at more than its share of a large log', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix, maxBytes: 1_000_000_000, maxEvents: 100_000 })
  const old = incarnation(store)
  const stream = old.names.next('post')
  const first = await old.events.storeEvent(stream, {}, { requests: ['a', 'b'] })
  for (let n = 0; n < 30; n++) await old.events.storeEvent(stream, { ...note(n), text: 'x'.repeat(500_000) })
  for (let n = 0; n < 400; n++) await old.events.storeEvent(stream, note(n))
  const young = incarnation(store, old.sessionId)
  const key = `${keyPrefix}events:${old.sessionId}`
  const taking = await countCommands(server, () => young.events.takeOver(), key)
  t.ok(taking.filter(([name]) => /^eval/i.test(name!)).length >= 30 / 3 + 4, 'it takes turns')
  const { messages } = await replay(young.events, first)
  t.equal(messages.length, 432)
  t.match(messages.slice(-2), [lost('a'), lost('b')])
})

t.test('trimmed by age: expired, whether its session goes on or not', async t => {
  const store = storeOn(t, client, { maxAge: 200, maxEvents: 1_000_000 })
  const { events, names } = incarnation(store)
  const stream = names.next('post')
  const first = await events.storeEvent(stream, note(1))
  const newest = await until('the first is too old', async () => {
    const id = await events.storeEvent(stream, note(2))
    return events.getStreamIdForEventId!(first).then(() => undefined, () => id)
  })
  await t.rejects(replay(events, first), EXPIRED)
  t.equal(await events.getStreamIdForEventId!(newest), stream)
  await until('the key is gone', () => events.getStreamIdForEventId!(newest).then(() => false, () => true))
  await t.rejects(replay(events, newest), EXPIRED)
})

t.test('trimmed while somebody reads: the replay stops, with an error', async t => {
  const store = storeOn(t, client, { maxEvents: 150 })
  const { events, names } = incarnation(store)
  const stream = names.next('post')
  const ids = await storeAll(events, stream, Array.from({ length: 150 }, (_, n) => note(n)))
  const seen: string[] = []
  await t.rejects(events.replayEventsAfter(ids[0]!, {
    send: async id => {
      seen.push(id)
      if (seen.length === 1) await storeAll(events, stream, Array.from({ length: 120 }, (_, n) => note(1000 + n)))
    }
  }), EXPIRED)
  t.same(seen, ids.slice(1, seen.length + 1), 'what was sent is without a gap')
  t.ok(seen.length < 149)
})

t.test('an event that is stored in the middle of a replay of its stream is told after it', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix })
  const [first] = await storeAll(store, 'a', [note(1), note(2)])
  const order: string[] = []
  let storing: Promise<unknown> | undefined
  await store.replayEventsAfter(first!, {
    send: async () => {
      storing ??= store.storeEvent('a', note(3)).then(() => order.push('stored'))
      await until('it is in Redis', async () => await client.xlen(`${keyPrefix}events:a`) === 3)
      await store.storeEvent('b', note(4))
      order.push('other stream')
    }
  }).then(() => order.push('replayed'))
  await storing
  t.same(order, ['other stream', 'replayed', 'stored'])
  await t.rejects(store.replayEventsAfter(first!, { send: async () => { throw new Error('left') } }), { message: 'left' })
  await t.resolves(store.storeEvent('a', note(5)), 'nor does a replay that failed hold it back')
})

t.test('after a takeover nothing of the older incarnation is taken, and nothing comes twice', async t => {
  const store = storeOn(t, client)
  const old = incarnation(store)
  const stream = old.names.next('get')
  const ids = await storeAll(old.events, stream, [{}, note(1), note(2)])
  const successor = incarnation(store, old.sessionId)
  await successor.events.takeOver()
  await t.rejects(old.events.storeEvent(stream, note(3)), TAKEN)
  await successor.events.storeEvent(stream, note(4))
  await t.rejects(old.events.storeEvent(stream, note(5)), TAKEN)
  t.same((await replay(successor.events, ids[0]!)).messages, [note(1), note(2), note(4)])
})

t.test('of takeovers the last counts', async t => {
  const store = storeOn(t, client)
  const first = incarnation(store)
  const stream = first.names.next('get')
  await first.events.storeEvent(stream, {})
  const [second, third] = [incarnation(store, first.sessionId), incarnation(store, first.sessionId)]
  await second.events.takeOver()
  await third.events.takeOver()
  await t.rejects(second.events.storeEvent(stream, note(2)), TAKEN)
  await t.resolves(third.events.storeEvent(stream, note(3)))
})

t.test('a takeover that is sent twice is one, and does not take back what another took since', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix })
  const old = incarnation(store)
  await old.events.storeEvent(old.names.next('post'), {}, { requests: [1] })
  const key = `${keyPrefix}events:${old.sessionId}`
  const takeOver = (token: string) => client.eval(takeOverEvents.lua, 1, key, token, '1000', '60000', '0-0', '0', '0', '', '')
  const taken = await takeOver('a') as string[]
  t.same((await takeOver('a') as string[]).slice(0, 6), taken.slice(0, 6))
  t.equal(await client.xlen(key), 2, 'the event and the marker')
  const next = incarnation(store, old.sessionId)
  await next.events.takeOver()
  await next.events.takeOver()
  t.equal(await client.xlen(key), 4)
  t.equal(await takeOver('a'), null)
  t.equal(await client.xlen(key), 4)
  await t.resolves(next.events.storeEvent(next.names.next('post'), note(1)))
})

t.test('the requests of an unfinished stream end with an error, those of a finished one do not', async t => {
  const store = storeOn(t, client)
  const old = incarnation(store)
  const [single, batch, done, half, mute] = [old.names.next('post'), old.names.next('post'), old.names.next('post'), old.names.next('post'), old.names.next('get')]
  const big = '9007199254740993\n"x"'
  const firsts = {
    single: await old.events.storeEvent(single, {}, { requests: [7] }),
    batch: await old.events.storeEvent(batch, note(1), { requests: ['a', 123456789012345, big] }),
    done: await old.events.storeEvent(done, {}, { requests: [8] }),
    half: await old.events.storeEvent(half, {}, { requests: [9, '9'] }),
    mute: await old.events.storeEvent(mute, {})
  }
  await old.events.storeEvent(single, note(2))
  // The client's answers and the server's own requests have ids too.
  await old.events.storeEvent(single, { jsonrpc: '2.0', id: 7, method: 'ping' })
  await old.events.storeEvent(done, answer(8))
  await old.events.storeEvent(half, answer(9))
  const young = incarnation(store, old.sessionId)
  await young.events.takeOver()
  t.match((await replay(young.events, firsts.single)).messages, [note(2), { id: 7, method: 'ping' }, lost(7)])
  t.match((await replay(young.events, firsts.batch)).messages, [lost('a'), lost(123456789012345), lost(big)])
  t.same((await replay(young.events, firsts.done)).messages, [answer(8)])
  t.match((await replay(young.events, firsts.half)).messages, [answer(9), lost('9')])
  t.same((await replay(young.events, firsts.mute)).messages, [])
  const third = incarnation(store, old.sessionId)
  await third.events.takeOver()
  for (const first of Object.values(firsts)) {
    const { messages } = await replay(third.events, first)
    t.ok(messages.filter(message => 'error' in (message as object)).length <= 3)
  }
  t.equal((await replay(third.events, firsts.single)).messages.length, 3, 'once')
})

t.test('also when the event that told of the requests is trimmed away', async t => {
  const store = storeOn(t, client, { maxEvents: 20 })
  const old = incarnation(store)
  const stream = old.names.next('post')
  await old.events.storeEvent(stream, {}, { requests: [1, 2] })
  await old.events.storeEvent(stream, answer(2))
  const ids = await storeAll(old.events, stream, Array.from({ length: 30 }, (_, n) => note(n)))
  const young = incarnation(store, old.sessionId)
  await young.events.takeOver()
  const { messages } = await replay(young.events, ids[25]!)
  t.match(messages, [note(26), note(27), note(28), note(29), lost(1)])
})

t.test('a replay across a takeover has everything once, in order, over pages', async t => {
  const store = storeOn(t, client)
  const old = incarnation(store)
  const [stream, other] = [old.names.next('post'), old.names.next('get')]
  const first = await old.events.storeEvent(stream, {}, { requests: [1] })
  const ids = []
  for (let n = 0; n < 160; n++) {
    ids.push(await old.events.storeEvent(stream, note(n)))
    await old.events.storeEvent(other, note(-n))
  }
  const young = incarnation(store, old.sessionId)
  await young.events.takeOver()
  const own = young.names.next('post')
  await storeAll(young.events, own, [note(1), note(2)])
  const seen = await replay(young.events, first)
  t.same(seen.ids.slice(0, 160), ids)
  t.match(seen.messages.at(-1), lost(1))
  t.equal(seen.ids.length, 161)
  t.equal(new Set(seen.ids).size, 161)
})

t.test('a takeover that Redis did not hear of comes before the next event', async t => {
  const own = await startRedis(t)
  const redis = connect(t, own)
  await redis.ping()
  const store = storeOn(t, redis)
  const old = incarnation(store)
  const young = incarnation(store, old.sessionId)
  await own.kill()
  await until('the client has noticed', () => redis.status !== 'ready')
  await t.rejects(young.events.takeOver())
  await own.start()
  await redis.ping()
  const first = await old.events.storeEvent(old.names.next('post'), {}, { requests: [1] })
  await young.events.storeEvent(young.names.next('post'), note(1))
  t.match((await replay(young.events, first)).messages, [lost(1)])
  await t.rejects(old.events.storeEvent(old.names.next('post'), note(2)), TAKEN)
})

t.test('a Redis that comes back empty is no end of it: the younger incarnation wins still', async t => {
  const own = await startRedis(t)
  const redis = connect(t, own)
  await redis.ping()
  const store = storeOn(t, redis)
  const old = incarnation(store)
  const young = incarnation(store, old.sessionId)
  const stream = old.names.next('get')
  const id = await old.events.storeEvent(stream, note(1))
  await young.events.takeOver()
  await own.restart()
  await redis.ping()
  await t.rejects(young.events.getStreamIdForEventId!(id), EXPIRED)
  await t.resolves(old.events.storeEvent(stream, note(2)), 'nothing says that it is the older')
  await young.events.storeEvent(young.names.next('get'), note(3))
  await t.rejects(old.events.storeEvent(stream, note(4)), TAKEN)
  await own.restart()
  await redis.ping()
  const youngest = incarnation(store, old.sessionId)
  await youngest.events.takeOver()
  await t.rejects(young.events.storeEvent(stream, note(5)), TAKEN)
  await t.resolves(youngest.events.storeEvent(stream, note(6)))
})

t.test('a session that has ended leaves nothing, unless another has taken it over', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix })
  const old = incarnation(store)
  const first = await old.events.storeEvent(old.names.next('post'), note(1))
  const young = incarnation(store, old.sessionId)
  await young.events.takeOver()
  await old.events.forget()
  t.equal(await young.events.getStreamIdForEventId!(first), `${first.slice(0, first.lastIndexOf('/'))}`)
  await young.events.forget()
  t.same(await client.keys(`${keyPrefix}*`), [])
})

t.test('Redis away: rejected within the bound, then at once; back: it goes on', async t => {
  const own = await startRedis(t)
  const redis = connect(t, own)
  await redis.ping()
  const log = keptLog()
  const store = storeOn(t, redis, { log })
  const { events, names } = incarnation(store)
  const stream = names.next('post')
  const first = await events.storeEvent(stream, note(1))
  own.pause()
  await t.rejects(events.storeEvent(stream, note(2)), { message: 'no answer within 1000 ms' })
  await t.rejects(events.storeEvent(stream, note(3)), { message: 'the server does not answer' })
  await t.rejects(events.getStreamIdForEventId!(first), { message: 'the server does not answer' })
  await t.resolves(events.forget())
  own.resume()
  await until('it answers', () => log.lines.some(({ message }) => /answers again/.test(message)))
  // What was sent before the pause has been taken, once.
  const last = await events.storeEvent(stream, note(4))
  t.same((await replay(events, first)).messages, [note(2), note(4)])
  await own.kill()
  await until('the client has noticed', () => redis.status !== 'ready')
  await t.rejects(events.storeEvent(stream, note(5)), { message: 'the client is not connected' })
  await own.start()
  await redis.ping()
  await t.rejects(replay(events, last), EXPIRED, 'it came back empty')
  await t.resolves(events.storeEvent(stream, note(6)))
  t.same(log.lines.map(({ message }) => /not answer|again|deleted/.exec(message)?.[0]), ['not answer', 'deleted', 'again', 'not answer', 'again'])
  t.notMatch(JSON.stringify(log.lines), stream.slice(0, 39).replaceAll('~', '_'))
})

t.test('what Redis refuses does not carry the command', async t => {
  const keyPrefix = randomPrefix()
  const store = storeOn(t, client, { keyPrefix })
  const { events, names, sessionId } = incarnation(store)
  await client.call('ACL', 'SETUSER', 'default', '-xadd')
  const error = await events.storeEvent(names.next('post'), note(1)).catch(err => err)
  await client.call('ACL', 'SETUSER', 'default', '+xadd')
  t.match(error, { message: /^Redis refused: / })
  t.notMatch(JSON.stringify([error.message, { ...error }]), sessionId)
})

t.test('stop takes the listeners off, and leaves the client', async t => {
  const before = client.listenerCount('close')
  const store = redisEventStore({ redis: client, keyPrefix: randomPrefix() })
  t.equal(client.listenerCount('close'), before + 1)
  store.stop()
  t.equal(client.listenerCount('close'), before)
  t.equal(await client.ping(), 'PONG')
})

t.test('options', async t => {
  const wrong: Array<[string, object]> = [
    ['redis', {}], ['redis', { redis: 'redis://x' }], ['keyPrefix', { redis: client, keyPrefix: '{x}' }], ['keyPrefix', { redis: client, keyPrefix: 1 }],
    ...[0, -1, 1.5, NaN, Infinity, '10'].flatMap((value): Array<[string, object]> => [['maxEvents', { redis: client, maxEvents: value }], ['maxAge', { redis: client, maxAge: value }]]),
    ['maxage', { redis: client, maxage: 1 }]
  ]
  for (const [name, options] of wrong) {
    t.throws(() => redisEventStore(options as RedisEventStoreOptions), { code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(`^option \`${name}\``) })
  }
  t.throws(() => redisEventStore(undefined as unknown as RedisEventStoreOptions), { code: 'MCP_STICKY_ERR_OPTION' })
})

t.test('on a Redis Cluster', async t => {
  const cluster = connectCluster(t, await startCluster(t))
  await until('the client is ready', () => cluster.status === 'ready')
  const store = storeOn(t, cluster)
  for (let n = 0; n < 20; n++) {
    const old = incarnation(store)
    const stream = old.names.next('post')
    const first = await old.events.storeEvent(stream, {}, { requests: [1] })
    await old.events.storeEvent(stream, note(n))
    const young = incarnation(store, old.sessionId)
    await young.events.takeOver()
    await t.rejects(old.events.storeEvent(stream, note(1)), TAKEN)
    t.equal(await store.getStreamIdForEventId!(first), stream)
    t.match((await replay(young.events, first)).messages, [note(n), lost(1)])
    await young.events.forget()
    await t.rejects(young.events.getStreamIdForEventId!(first), EXPIRED)
  }
})
