import t from 'tap'
import { observe } from '../../lib/redis/observer.ts'
import type { RedisClient } from '../../lib/redis/client.ts'
import { sessionName } from '../../lib/session-id.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

t.test('an end that is asked for is noted, and one that Redis did not hear of is not said to be done', async t => {
  const redis = await startRedis(t)
  const keyPrefix = randomPrefix()
  const { node, directory } = await startNode(t, connect(t, redis), { keyPrefix })
  const [closed, unheard] = [node.open(), node.open()]
  for (const record of [closed, unheard]) await directory.add(record)
  const observer = await observe({ client: connect(t, redis) as unknown as RedisClient, keyPrefix })
  t.teardown(() => observer.stop())

  t.equal(await observer.close(closed.id), true)
  t.match(await observer.find(sessionName(closed.id)), { status: 'ended', steps: [{ what: 'ended', node: '(operator)', reason: 'requested' }] })
  t.equal(await observer.close(closed.id), false)
  await until('its node has heard of it', () => node.ended.length === 1)

  redis.pause()
  await t.rejects(observer.close(unheard.id), { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE' })
  redis.resume()
  await until('Redis answers', async () => await observer.nodes().then(() => true, () => false))
  t.equal((await observer.find(unheard.id)).status, 'misrouted')
})
