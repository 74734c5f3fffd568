import t from 'tap'
import { RedisTrails } from '../../../lib/redis/keeping/trails.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { newSessionId, sessionName } from '../../../lib/session-id.ts'
import type { Test } from 'tap'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { until } from '../../fixtures/until.ts'

const TAG = '0123456789abcdef'
const opened = { what: 'opened', at: 1, node: 'a', endpoint: 'default' } as const
const ended = { what: 'ended', at: 2, node: 'a', endpoint: 'default', reason: 'idle' } as const

async function setUp (t: Test, { keepEnded = 60_000 } = {}) {
  const redis = await startRedis(t)
  const client = connect(t, redis)
  const events = { lost: () => {}, masterGone: () => {}, answering: () => {}, reconnected: () => {} }
  const link = new Link(client, events)
  t.teardown(() => link.stop())
  const keys = redisKeys('test:')
  const failures: unknown[] = []
  const trails = new RedisTrails({ link, keys, keepEnded, onFailed: err => { failures.push(err) } })
  await until('the client is ready', () => link.ready)
  return { redis, client, keys, trails, failures, id: newSessionId(TAG) }
}

t.test('a trail lasts a month from its last step, and from the end for as long as is wanted', async t => {
  const { client, keys, trails, id } = await setUp(t)
  const key = keys.trail(sessionName(id))
  trails.note(id, opened)
  await until('it is written', () => client.exists(key))
  t.ok(await client.pttl(key) > 29 * 24 * 3600 * 1000)
  trails.note(id, ended)
  await until('its end is written', async () => await client.hlen(key) === 2)
  t.ok(await client.pttl(key) <= 60_000)
  t.notOk((await client.hvals(key)).find(entry => entry.includes('ended'))!.includes(id), 'the end has no id')
})

t.test('where ends are not kept, the trail goes with the session', async t => {
  const { client, keys, trails, id } = await setUp(t, { keepEnded: 0 })
  trails.note(id, opened)
  await until('it is written', () => client.exists(keys.trail(sessionName(id))))
  trails.note(id, ended)
  await until('it is gone', async () => await client.exists(keys.trail(sessionName(id))) === 0)
})

t.test('what happens while Redis is away is written when it is back, but for the oldest of too much', async t => {
  const { redis, trails, id } = await setUp(t)
  const first = newSessionId(TAG)
  await redis.kill()
  trails.note(first, opened)
  for (let i = 0; i < 9_999; i++) trails.note(newSessionId(TAG), opened)
  trails.note(id, opened)
  await redis.start()
  await until('it is written', async () => {
    await trails.flush()
    return (await trails.read(sessionName(id)).catch(() => ({ steps: [] }))).steps.length === 1
  })
  t.strictSame((await trails.read(sessionName(first))).steps, [], 'the oldest is forgotten')
})

t.test('what Redis refuses stays, and is told', async t => {
  const { client, trails, failures, id } = await setUp(t)
  await client.config('SET', 'maxmemory', '1')
  trails.note(id, opened)
  await until('it is refused', () => failures.length > 0)
  await client.config('SET', 'maxmemory', '0')
  await until('it is written', async () => {
    await trails.flush()
    return (await trails.read(sessionName(id))).steps.length === 1
  })
})

t.test('what others have written there is no step', async t => {
  const { client, keys, trails, id } = await setUp(t)
  const key = keys.trail(sessionName(id))
  await client.hset(key, { 1: 'nonsense', 2: '7', 3: '{"what":"opened"}', 4: JSON.stringify({ ...opened, id }) })
  t.strictSame(await trails.read(sessionName(id)), { id, steps: [opened] })
  await client.del(key)
  await client.set(key, 'text')
  t.strictSame(await trails.read(sessionName(id)), { steps: [] })
  trails.note(id, opened)
  await until('it is replaced', async () => (await trails.read(sessionName(id))).steps.length === 1)
})
