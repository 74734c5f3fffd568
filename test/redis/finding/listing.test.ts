import t, { type Test } from 'tap'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { listPage } from '../../../lib/redis/finding/listing.ts'
import { NodeRegistry } from '../../../lib/redis/nodes/node-registry.ts'
import { Unreadable } from '../../../lib/redis/link/unreadable.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { keptLog } from '../../fixtures/log.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'

/** An index as the test writes it. */
async function setUp (t: Test) {
  const raw = connect(t, await startRedis(t))
  await raw.ping()
  const keys = redisKeys(randomPrefix())
  const link = new Link(raw, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  const unreadable = new Unreadable(keptLog())
  const registry = new NodeRegistry({ link, keys, node: identity('a'), heartbeat: 1000, unreadable, onFailed: err => { throw err } })
  const enter = async (node: string, score: number, id: string, owner: string | undefined = node) => {
    await raw.sadd(keys.nodes, node)
    await raw.zadd(keys.index(node), score, id)
    if (owner) await raw.hset(keys.session(id), { node: owner, epoch: 'e', createdAt: 1, lastSeenAt: score, protocolVersion: 'v', clientInfo: '{"name":"n","version":"1"}' })
  }
  const all = async (limit: number, between = async () => {}) => {
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await listPage({ link, keys, registry, unreadable }, { cursor, limit })
      seen.push(...page.sessions.map(({ id }) => id))
      cursor = page.cursor
      await between()
    } while (cursor !== undefined)
    return seen
  }
  return { raw, keys, enter, all }
}

const ids = (count: number, prefix = 'id') => Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(4, '0')}`)

t.test('sessions that were touched together share a score and are paged by id', async t => {
  const { enter, all } = await setUp(t)
  for (const id of ids(50)) await enter('a', 1_795_000_000_000, id)
  t.strictSame(await all(7), ids(50))
  t.strictSame(await all(50), ids(50))
  t.strictSame(await all(1), ids(50))
})

t.test('a page goes on where the last one ended though that entry has left', async t => {
  const { raw, keys, enter, all } = await setUp(t)
  for (const id of ids(20)) await enter('a', 5, id)
  for (const id of ids(20, 'later')) await enter('a', 6, id)
  // The last entry of each page goes: discarded, or used again and so at the end.
  let page = 0
  const seen = await all(4, async () => {
    const last = [...ids(20), ...ids(20, 'later')][4 * ++page - 1]
    if (last !== undefined) await raw.zrem(keys.index('a'), last)
  })
  t.strictSame(seen, [...ids(20), ...ids(20, 'later')])
})

t.test('entries without a record, or with another node\'s, are dropped', async t => {
  const { enter, all } = await setUp(t)
  await enter('a', 1, 'one')
  await enter('a', 2, 'expired', '')
  await enter('a', 3, 'moved', 'b')
  await enter('b', 3, 'moved')
  await enter('b', 4, 'two')
  t.strictSame(await all(10), ['one', 'moved', 'two'])
  t.strictSame(await all(1), ['one', 'moved', 'two'])
})

t.test('many stale entries make short pages, and the end is reached', async t => {
  const { raw, keys, enter, all } = await setUp(t)
  await raw.sadd(keys.nodes, 'a')
  await raw.zadd(keys.index('a'), ...ids(300).flatMap(id => [1, id]))
  await enter('a', 2, 'alive')
  t.strictSame(await all(2), ['alive'])
})

t.test('a node that left between two pages is skipped', async t => {
  const { raw, keys, enter, all } = await setUp(t)
  for (const id of ids(3, 'a')) await enter('a', 1, id)
  for (const id of ids(3, 'b')) await enter('b', 1, id)
  t.strictSame(await all(2, async () => { await raw.srem(keys.nodes, 'a') }), ['a0000', 'a0001', ...ids(3, 'b')])
})
