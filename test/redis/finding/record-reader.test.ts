import t, { type Test } from 'tap'
import { Doubt } from '../../../lib/shared-directory/doubt.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { MissBudgets, type MissLimits } from '../../../lib/shared-directory/miss-budgets.ts'
import { NodeRegistry } from '../../../lib/redis/nodes/node-registry.ts'
import { RecordReader } from '../../../lib/redis/finding/record-reader.ts'
import { Unreadable } from '../../../lib/redis/link/unreadable.ts'
import { newSessionId } from '../../../lib/session-id.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { keptLog } from '../../fixtures/log.ts'
import { connect, countCommands, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix, startNode } from '../../fixtures/redis-node.ts'

/** Nothing but what the test does. */
const CALM = 3_600_000
/** Nothing comes back with time. */
const LIMITS: MissLimits = { one: { rate: 0, burst: 100 }, known: { rate: 0, burst: 300 }, others: { rate: 0, burst: 200 } }

/** A node that has sessions, and a reader elsewhere. */
async function setUp (t: Test) {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const raw = connect(t, server)
  await raw.ping()
  const keys = redisKeys(keyPrefix)
  const link = new Link(raw, { lost () {}, masterGone () {}, answering () {}, reconnected () {}, regained () {} })
  const unreadable = new Unreadable(keptLog())
  const registry = new NodeRegistry({ link, keys, node: identity('a'), heartbeat: CALM, unreadable, onFailed: err => { throw err } })
  const reader = new RecordReader({ link, keys, registry, tags: { latest: () => new Map() }, doubt: new Doubt(CALM), unreadable, budgets: new MissBudgets(LIMITS) })
  const index = keys.index(b.node.identity.id)
  const session = async () => {
    const record = b.node.open()
    await b.directory.add(record)
    return record.id
  }
  const found = async (id: string, by: string) => await reader.read(id, by) !== undefined
  const flood = async (tag: string, by: (i: number) => string, size: number) => {
    await Promise.all(Array.from({ length: size }, (_, i) => reader.read(newSessionId(tag), by(i))))
  }
  return { server, keyPrefix, b, tag: b.node.identity.tag, raw, index, reader, session, found, flood }
}

t.test('whoever makes ids up is not read for any more, and everybody else is', async t => {
  const { tag, raw, index, session, found, flood } = await setUp(t)
  const [listed, unlisted, other] = [await session(), await session(), await session()]
  await flood(tag, () => 'eve', 101)
  await raw.zrem(index, unlisted)
  t.equal(await found(unlisted, 'eve'), false)
  t.equal(await found(listed, 'eve'), true, 'a session that is listed is found even so')
  await raw.del(index)
  t.equal(await found(other, 'ann'), true)
})

t.test('ids of nodes that nobody knows are no burden for those of the others, whoever asks for them', async t => {
  const { raw, index, session, found, flood } = await setUp(t)
  const id = await session()
  await raw.del(index)
  await flood(identity('stranger').tag, i => `caller ${i}`, 400)
  t.equal(await found(id, 'ann'), true)
})

t.test('what all callers together may ask for has an end', async t => {
  const { tag, raw, index, session, found, flood } = await setUp(t)
  const [listed, unlisted] = [await session(), await session()]
  await raw.zrem(index, unlisted)
  await flood(tag, i => `caller ${i}`, 301)
  t.equal(await found(unlisted, 'ann'), false)
  t.equal(await found(listed, 'ann'), true)
})

t.test('a thousand sessions of one caller are found: hits cost no budget', async t => {
  const { session, found } = await setUp(t)
  for (let i = 0; i < 1000; i++) if (!await found(await session(), 'ann')) t.fail('one was not')
})

t.test('beyond the budget a flood costs Redis a look into each index for many ids', async t => {
  const { server, keyPrefix, tag, flood } = await setUp(t)
  await flood(tag, () => 'eve', 101)
  const commands = await countCommands(server, () => flood(tag, () => 'eve', 500), keyPrefix)
  // As many at a time, in the worst case, as a turn of the event loop has.
  t.ok(commands.length <= 20, `${commands.length} commands for 500 ids`)
})

t.test('a session that cannot be looked for is not unknown', async t => {
  const { tag, raw, index, reader, session, flood } = await setUp(t)
  const id = await session()
  await flood(tag, () => 'eve', 101)
  await raw.set(index, 'no index')
  await t.rejects(reader.read(id, 'eve'), /WRONGTYPE/)
})
