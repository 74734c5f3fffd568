// Whichever key a node keeps is taken away, or replaced by something of another type: it is right again within a few beats.
import t, { type Test } from 'tap'
import type { Redis } from 'ioredis'
import { redisEventStore } from '../../lib/redis/events/event-store.ts'
import { redisKeys, type Keys } from '../../lib/redis/keys.ts'
import { Link } from '../../lib/redis/link/link.ts'
import { Sweeper } from '../../lib/redis/clearing/sweeper.ts'
import type { NewRecord } from '../../lib/directory/record.ts'
import { identity } from '../fixtures/directory-node.ts'
import { keptLog } from '../fixtures/log.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { randomPrefix, startNode, type RedisNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

const SESSIONS = 600

interface World { raw: Redis, keys: Keys, a: RedisNode, b: RedisNode, records: NewRecord[] }

async function setUp (t: Test): Promise<World> {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 300, id: identity('a') })
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 300, id: identity('b') })
  const records = Array.from({ length: SESSIONS }, () => a.node.open())
  await Promise.all(records.map(record => a.directory.add(record)))
  return { raw: connect(t, server), keys: redisKeys(keyPrefix), a, b, records }
}

/** What everybody asks of the directory. */
const nodesSeen = ({ a, b }: World) => Promise.all([a, b].map(({ directory }) => directory.nodes())).then(seen => seen.every(nodes => nodes.length === 2), () => false)
const listed = ({ b }: World, count = SESSIONS) => b.directory.list({ limit: 1000 }).then(({ sessions }) => sessions.length === count, () => false)
const found = ({ b }: World, { id }: NewRecord) => b.directory.locate(id, { fresh: true }).then(({ status }) => status === 'misrouted', () => false)

interface Row {
  key: (world: World) => string
  /** What comes before. */
  before?: (world: World) => Promise<unknown>
  /** What has it written, where that is no beat. */
  after?: (world: World) => void
  right: (world: World) => Promise<boolean>
}

const rows: Record<string, Row> = {
  'all heartbeats': {
    key: ({ keys }) => keys.members,
    right: async world => await world.raw.type(world.keys.members) === 'hash' && await nodesSeen(world) && await listed(world) && await found(world, world.records[0]!)
  },
  'the loads, once one changes': {
    key: ({ keys }) => keys.loads,
    after: ({ a }) => { a.node.room = 7 },
    right: async world => (await world.b.directory.nodes()).some(({ room }) => room === 7)
  },
  'the ids of older nodes, though there are none': {
    key: ({ keys }) => keys.nodes,
    right: async world => await nodesSeen(world) && await listed(world)
  },
  'an index': {
    key: ({ keys }) => keys.index('a'),
    right: async world => await listed(world) && await world.raw.zcard(world.keys.index('a')) === SESSIONS && await world.raw.pttl(world.keys.index('a')) > 0
  },
  'a close set that its node has not seen': {
    key: ({ keys }) => keys.close('a'),
    before: ({ b, records }) => b.directory.remove(records[0]!.id, 'any'),
    right: async ({ a, records }) => !a.node.has(records[0]!.id) && a.node.ended.length === 1
  },
  'a record, once its session changes': {
    key: ({ keys, records }) => keys.session(records[0]!.id),
    after: ({ a, records }) => a.directory.changed(records[0]!.id),
    right: async world => await world.raw.pttl(world.keys.session(world.records[0]!.id)) > 0 && await found(world, world.records[0]!)
  }
}

const vandals: Record<string, (raw: Redis, key: string) => Promise<unknown>> = {
  gone: (raw, key) => raw.del(key),
  'of another type': (raw, key) => raw.multi().del(key).xadd(key, '1-1', 'what', 's3cret').exec()
}

for (const [what, { key, before, after, right }] of Object.entries(rows)) {
  for (const [how, vandalize] of Object.entries(vandals)) {
    t.test(`${what} is ${how}`, async t => {
      const world = await setUp(t)
      await before?.(world)
      await vandalize(world.raw, key(world))
      after?.(world)
      await until('all is right again', () => right(world))
      const { beats } = world.a.node
      await until('a few beats', () => world.a.node.beats > beats + 3)
      await until('it stays right', () => right(world))
      t.ok(world.a.node.ended.length === (before ? 1 : 0), 'no other session ended')
      t.notMatch(JSON.stringify([world.a.log.lines, world.b.log.lines]), 's3cret')
    })
  }
}

t.test('the sweeper\'s key is gone, of another type, or somebody\'s for ever', async t => {
  const world = await setUp(t)
  const { raw, keys } = world
  let rounds = 0
  const link = new Link(raw, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  const sweeper = new Sweeper({ link, keys, node: { id: 'a', epoch: 'e.0' }, log: keptLog(), after: 1, interval: 1, doubt: { left: 0 }, forget: async () => {}, nodes: async () => { rounds++; return { ids: [], live: new Map() } } })
  for (const vandalize of [...Object.values(vandals), (raw: Redis, key: string) => raw.set(key, 'somebody')]) {
    await vandalize(raw, keys.sweeper)
    const before = rounds
    await until('it sweeps', async () => { await sweeper.turn(); return rounds > before })
    t.equal(await raw.get(keys.sweeper), 'a')
  }
  await raw.set(keys.sweeper, 'b', 'PX', 60_000)
  const before = rounds
  for (let i = 0; i < 20; i++) await sweeper.turn()
  await until('its turn has passed', async () => { await sweeper.turn(); return true })
  t.equal(rounds, before, 'one that holds it for a while is left to it')
})

t.test('the events of a session are gone, or of another type', async t => {
  const server = await startRedis(t)
  const raw = connect(t, server)
  await raw.ping()
  const keys = redisKeys(randomPrefix())
  const log = keptLog()
  const store = redisEventStore({ redis: raw, keyPrefix: keys.events('').slice(0, -'events:'.length), log })
  t.teardown(() => store.stop())
  const id = identity('a').tag + '.' + 'x'.repeat(22)
  const events = store.forSession(id, 'token')
  const stream = `${id}:1`
  const replayed = async (from: string) => {
    const seen: unknown[] = []
    await events.replayEventsAfter(from, { send: async (_, message) => { seen.push(message) } })
    return seen
  }
  for (const vandalize of Object.values(vandals)) {
    const first = await events.storeEvent(stream, { jsonrpc: '2.0', method: 'first' })
    await vandalize(raw, keys.events(id))
    await t.rejects(replayed(first), { code: 'MCP_STICKY_ERR_EVENTS_EXPIRED' }, 'what was lost is said to be')
    const [second, third] = [await events.storeEvent(stream, { method: 'second' }), await events.storeEvent(stream, { method: 'third' })]
    t.strictSame(await replayed(second), [{ method: 'third' }])
    t.strictSame(await replayed(third), [])
  }
  await raw.del(keys.events(id))
  await raw.set(keys.events(id), 's3cret')
  await t.rejects(replayed(`${stream}/1-1`), { code: 'MCP_STICKY_ERR_EVENTS_EXPIRED' })
  const fourth = await events.storeEvent(stream, { method: 'fourth' })
  await raw.xadd(keys.events(id), '*', 's', stream, 'd', '{ s3cret', 'p', 'other', 'n', '1', 'g', '0')
  await t.rejects(replayed(fourth), { code: 'MCP_STICKY_ERR_EVENTS_EXPIRED' }, 'no gap where one cannot be read')
  t.notMatch(JSON.stringify(log.lines), 's3cret')
})
