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

t.test('nodes say what they see when they are asked; one that is too old for that, or does not look, is not waited for for ever', async t => {
  const redis = await startRedis(t)
  const keyPrefix = randomPrefix()
  const looking = await startNode(t, connect(t, redis), { keyPrefix })
  let looks = 0
  looking.node.look = async () => ({ version: '1.0.0', forwarded: 7, sees: { other: `look ${++looks}` } })
  const observer = await observe({ client: connect(t, redis) as unknown as RedisClient, keyPrefix })
  t.teardown(() => observer.stop())
  const { id } = looking.node.identity
  for (const look of [1, 2]) {
    t.match(await observer.look(), [{ id, heartbeat: 100, answered: { version: '1.0.0', forwarded: 7, sees: { other: `look ${look}` }, ahead: Number } }])
  }
  await until('the request is gone', async () => await connect(t, redis).exists(`${keyPrefix}node:${id}:close`) === 0)
  t.strictSame(looking.node.ended, [])

  looking.node.look = undefined
  t.match(await observer.look(), [{ id, answered: undefined }])
})
