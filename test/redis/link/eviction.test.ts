import t from 'tap'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { evictingPolicy } from '../../../lib/redis/link/eviction.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix, startNode } from '../../fixtures/redis-node.ts'

const silent = { lost () {}, masterGone () {}, answering () {}, reconnected () {} }

t.test('a server that may evict keys is warned of at the start, where it tells', async t => {
  const server = await startRedis(t)
  const admin = connect(t, server)
  const warnings = async () => (await startNode(t, connect(t, server), { keyPrefix: randomPrefix() })).log.lines.filter(({ level }) => level === 'warn')
  t.strictSame(await warnings(), [], 'without a limit nothing is evicted')
  await admin.config('SET', 'maxmemory', '100mb')
  t.strictSame(await warnings(), [], 'noeviction is what Redis begins with')
  for (const policy of ['volatile-lru', 'allkeys-lfu']) {
    await admin.config('SET', 'maxmemory-policy', policy)
    t.match(await warnings(), [{ message: /noeviction/, fields: { maxmemoryPolicy: policy } }])
  }
  await admin.config('SET', 'maxmemory', '0')
  t.strictSame(await warnings(), [])
  await admin.config('SET', 'maxmemory', '100mb')
  await admin.call('ACL', 'SETUSER', 'default', '-info')
  const link = new Link(admin, silent)
  t.equal(await evictingPolicy(link, redisKeys('mcp:')), undefined, 'an ACL may keep it secret')
  link.stop()
})
