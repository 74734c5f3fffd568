import t, { type Test } from 'tap'
import { redisKeys } from '../../lib/redis/keys.ts'
import { newSessionId } from '../../lib/session-id.ts'
import type { NewRecord } from '../../lib/directory/record.ts'
import { identity } from '../fixtures/directory-node.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { randomPrefix, startNode, type RedisNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

/** A frozen process beats no more, and sees its close set when it goes on. */
const FROZEN = 3_600_000

/** Nodes of one Redis; the first is as good as frozen: it beats when the test says so. */
async function setUp (t: Test) {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const raw = connect(t, server)
  const node = (id: string, heartbeat = 100) => startNode(t, connect(t, server), { keyPrefix, heartbeat, id: identity(id) })
  const [frozen, b, c] = [await node('a', FROZEN), await node('b'), await node('c')]
  const session = frozen.node.open()
  await frozen.directory.add(session)
  const exists = () => raw.exists(redisKeys(keyPrefix).session(session.id))
  return { server, raw, keys: redisKeys(keyPrefix), frozen, b, c, session, exists }
}

/** Takes a session over from whoever has it. */
async function takeOver ({ directory, node }: RedisNode, { id }: NewRecord): Promise<void> {
  const found = await directory.locate(id, { fresh: true })
  if (found.status === 'unknown' || await directory.claim(found.record) !== 'claimed') throw new Error('it was not claimed')
  node.adopt(found.record)
}

t.test('a session that was taken over and closed does not come back with its first owner', async t => {
  const { frozen, b, session, exists } = await setUp(t)
  await takeOver(b, session)
  b.node.sessions.delete(session.id)
  b.directory.discard(session.id, 'any')
  await until('it is closed', async () => await exists() === 0)
  t.equal(await frozen.directory.reclaim(session.id), 'lost')
  t.strictSame(frozen.node.ended, [[session.id, 'closed']])
  t.equal(await exists(), 0)
})

t.test('a removal is told to all who had the session', async t => {
  const { frozen, b, c, session, exists } = await setUp(t)
  await takeOver(b, session)
  await takeOver(c, session)
  t.equal(await b.directory.remove(session.id, 'any'), 'removed', 'as one that may hold it still')
  await until('it ended at its owner', () => c.node.ended.length > 0)
  frozen.directory.announce()
  await until('and at the first', () => frozen.node.ended.length > 0)
  for (const { node } of [frozen, b, c]) t.strictSame(node.ended, [[session.id, 'closed']])
  t.equal(await exists(), 0)
})

t.test('a close that finds the queue of removals full is carried out all the same', async t => {
  const { server, frozen, b, session, exists } = await setUp(t)
  await takeOver(b, session)
  server.pause()
  const strangers = Array.from({ length: 1000 }, () => newSessionId(b.node.identity.tag))
  t.strictSame(new Set(await Promise.all(strangers.map(id => b.directory.remove(id, 'any')))), new Set(['queued']))
  b.node.sessions.delete(session.id)
  b.directory.discard(session.id, 'any')
  server.resume()
  await until('it is closed', async () => await exists() === 0)
  t.equal(await frozen.directory.reclaim(session.id), 'lost')
  t.strictSame(frozen.node.ended, [[session.id, 'closed']])
})

t.test('what was given up, or is taken back, is noted of nobody', async t => {
  const { raw, keys, frozen, b, session } = await setUp(t)
  const formerly = () => raw.hget(keys.session(session.id), 'formerly')
  await frozen.directory.giveUp([session.id], 1000)
  await takeOver(b, session)
  t.equal(await formerly(), null)
  await takeOver(frozen, session)
  t.equal(await formerly(), 'b')
  await takeOver(b, session)
  t.equal(await formerly(), 'a')
})

t.test('a clean-up that nobody asked for tells nobody', async t => {
  const { raw, keys, b, session, exists } = await setUp(t)
  await takeOver(b, session)
  b.node.sessions.delete(session.id)
  b.directory.discard(session.id)
  await until('the record is gone', async () => await exists() === 0)
  t.equal(await raw.exists(keys.close('a')), 0)
})
