// Nodes of a cluster, and a Redis in trouble, as their metrics show them.
import t from 'tap'
import type { Test } from 'tap'
import { mcpStickyMetrics } from '../../lib/metrics/index.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { startCluster } from '../fixtures/cluster.ts'
import type { NodeOptions } from '../fixtures/cluster.ts'
import { call, inSession, open } from '../fixtures/http.ts'
import { startRedis } from '../fixtures/redis.ts'
import type { RedisServer } from '../fixtures/redis.ts'
import { scrape } from '../fixtures/scrape.ts'
import type { Scrape } from '../fixtures/scrape.ts'
import { until } from '../fixtures/until.ts'

async function startMetered<const Ids extends readonly string[]> (t: Test, redis: RedisServer, ids: Ids, options: NodeOptions = {}) {
  return startCluster(t, redis, ids, { orphan: 'adopt', drain: { grace: 0 }, ...options }, { after: app => app.register(mcpStickyMetrics), fastify: { return503OnClosing: false } })
}

/** A scrape that shows it. */
async function shows (what: string, { url }: StartedApp, condition: (got: Scrape) => boolean): Promise<Scrape> {
  return until(what, async () => {
    const got = await scrape(url)
    return condition(got) ? got : undefined
  })
}

t.test('calls on the wrong node are forwarded there and local here, and owners are remembered', async t => {
  const [a, b] = await startMetered(t, await startRedis(t), ['a', 'b'])
  const id = await open(a.url)
  for (let i = 0; i < 5; i++) await inSession(b.url, id, call('count'))
  await inSession(b.url, id, { jsonrpc: '2.0', method: 'notifications/initialized' })
  const [ofA, ofB] = [await scrape(a.url), await scrape(b.url)]
  t.equal(ofA.value('mcp_sticky_requests_total', { served: 'local' }), 6, 'with initialize')
  t.equal(ofA.value('mcp_sticky_requests_total', { served: 'forwarded' }), 0)
  t.equal(ofB.value('mcp_sticky_requests_total', { served: 'local' }), 0)
  t.equal(ofB.value('mcp_sticky_requests_total', { served: 'forwarded' }), 5)
  t.equal(ofA.value('mcp_sticky_owner_cache_requests_total'), 0)
  const cache = (got: Scrape, result: string) => got.value('mcp_sticky_owner_cache_requests_total', { result })!
  t.ok(cache(ofB, 'miss') >= 1, 'the first look-up')
  await until('another finds the owner remembered', async () => {
    const before = cache(await scrape(b.url), 'hit')
    await inSession(b.url, id, call('count'))
    return cache(await scrape(b.url), 'hit') > before
  })
})

t.test('a node that drains is one, and what it hands over is adopted', async t => {
  const [a, b] = await startMetered(t, await startRedis(t), ['a', 'b'])
  const id = await open(a.url)
  await shows('both are up', b, got => got.value('mcp_sticky_nodes', { state: 'up' }) === 2)
  await a.app.mcpSessions.drain()
  await shows('one drains', b, got => got.value('mcp_sticky_nodes', { state: 'up' }) === 1 && got.value('mcp_sticky_nodes', { state: 'draining' }) === 1)
  await inSession(b.url, id, call('count'))
  const [ofA, ofB] = [await scrape(a.url), await scrape(b.url)]
  t.equal(ofA.value('mcp_sticky_sessions_ended_total', { reason: 'handed_over' }), 1)
  t.equal(ofB.value('mcp_sticky_adoptions_total', { outcome: 'adopted' }), 1)
  t.equal(ofB.value('mcp_sticky_adoption_duration_seconds_count'), 1)
  t.equal(ofB.value('mcp_sticky_sessions'), 1)
  t.equal(ofB.value('mcp_sticky_sessions_opened_total'), 0)
})

t.test('while Redis is away the directory is down, the lease lapses and the nodes are not known', async t => {
  const redis = await startRedis(t)
  const [a] = await startMetered(t, redis, ['a'])
  const before = await scrape(a.url)
  t.strictSame(['directory_up', 'directory_outages_total', 'lease_lapsed', 'nodes'].map(name => before.value(`mcp_sticky_${name}`)), [1, 0, 0, 1])
  redis.pause()
  t.teardown(() => redis.resume())
  const during = await shows('the lease has lapsed', a, got => got.value('mcp_sticky_lease_lapsed') === 1 && got.value('mcp_sticky_directory_up') === 0)
  t.equal(during.value('mcp_sticky_directory_outages_total'), 1)
  t.equal(during.value('mcp_sticky_nodes'), undefined)
  redis.resume()
  const after = await shows('all is well', a, got => got.value('mcp_sticky_lease_lapsed') === 0 && got.value('mcp_sticky_nodes') === 1)
  t.strictSame(['directory_up', 'directory_outages_total'].map(name => after.value(`mcp_sticky_${name}`)), [1, 1])
})

t.test('a scrape looks at the sessions once', async t => {
  const [a] = await startMetered(t, await startRedis(t), ['a'])
  const face = a.app.mcpSessions as { -readonly [Name in keyof typeof a.app.mcpSessions]: typeof a.app.mcpSessions[Name] }
  const { readings } = face
  let looks = 0
  face.readings = () => {
    looks++
    return readings()
  }
  for (const scrapes of [1, 2]) {
    await scrape(a.url)
    t.equal(looks, scrapes)
  }
})
