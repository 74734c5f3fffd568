// One deploy after the other behind Traefik, under clients that call without pause: afterwards each request reaches its session
// without a detour, wherever deploys give new urls or keep the old ones.
import { Redis } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { redisKeys } from '../../lib/redis/keys.ts'
import { send } from '../fixtures/http.ts'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { Death, LoadCluster, Place } from '../fixtures/load/cluster.ts'
import { interrupted } from '../fixtures/load/judge.ts'
import { summary } from '../fixtures/load/tally.ts'
import { full, PAUSE as SHORT } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import type { Load } from '../fixtures/load/start-load.ts'
import { connect } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const SESSIONS = full ? 1000 : 90
const DEPLOYS = full ? 10 : 1
/** A thousand sessions that called without pause would take both cores from the nodes that start. */
const PAUSE = full ? 400 : SHORT
/** Share of the requests that may be forwarded when Traefik has heard of a deploy. */
const FORWARDED = 0.01

/** What the nodes have done, summed, but for one that is dead. */
async function counted ({ places }: LoadCluster, dead?: Place): Promise<{ forwarded: number }> {
  const counts = await Promise.all(places.filter(place => place !== dead).map(async ({ address }) => (await send(`${address}/counters`, { method: 'GET' })).body))
  return { forwarded: counts.reduce((sum, { forwarded }) => sum + forwarded, 0) }
}

/** Sessions by node. */
async function loads ({ places }: LoadCluster): Promise<number[]> {
  const { body } = await send(`${places[0]!.address}/nodes`, { method: 'GET' })
  return body.map(({ sessions }: { sessions: number }) => sessions)
}

/** How often each session is served while it is counted. */
const SERVED = full ? 2 : 10

/** The share of requests that were forwarded while each session was served some more times. */
async function share (cluster: LoadCluster, load: Load, dead?: Place): Promise<number> {
  const [{ ok }, before] = [await load.tally(), await counted(cluster, dead)]
  await until('the load has gone on', async () => (await load.tally()).ok > ok + SERVED * SESSIONS, 120)
  const [{ ok: later }, after] = [await load.tally(), await counted(cluster, dead)]
  return (after.forwarded - before.forwarded) / (later - ok)
}

/** The table of tags, and where the sessions are: by tag, how many on which node. */
async function whereabouts ({ redis, keyPrefix }: LoadCluster): Promise<{ holders: Record<string, string>, sessions: Record<string, Record<string, number>> }> {
  const raw = new Redis(redis.port)
  try {
    const keys = redisKeys(keyPrefix)
    const sessions: Record<string, Record<string, number>> = {}
    for (const key of await raw.keys(keys.session('*'))) {
      const of = sessions[key.slice(keys.session('').length).split('.')[0]!] ??= {}
      const node = await raw.hget(key, 'node') ?? '?'
      of[node] = (of[node] ?? 0) + 1
    }
    const table = Object.entries(await raw.hgetall(keys.tags)).filter(([tag]) => !tag.startsWith('/'))
    return { holders: Object.fromEntries(table.map(([tag, entry]) => [tag, entry.split(' ')[0]!])), sessions }
  } finally {
    raw.disconnect()
  }
}

/**
 * The sessions that are not where the table leads; Infinity where it leads to fewer of a tag than another node has. With
 * a machine of its own a deploy leaves none; where a node had to wait longer than others wait for its answer, they take some.
 */
async function strays (cluster: LoadCluster): Promise<number> {
  const { holders, sessions } = await whereabouts(cluster)
  const perTag = Object.entries(sessions).map(([tag, nodes]) => {
    const led = nodes[holders[tag]!] ?? 0
    const all = Object.values(nodes)
    return led < Math.max(...all) ? Infinity : all.reduce((sum, count) => sum + count, 0) - led
  })
  return perTag.reduce((sum, count) => sum + count, 0)
}

/** Waits until requests go where they belong. Each look takes as long as the load takes for it, seconds on a busy machine. */
async function settled (t: Test, cluster: LoadCluster, load: Load, dead?: Place): Promise<void> {
  const seen: string[] = []
  try {
    await until('Traefik leads all but a few where they belong', async () => {
      const astray = await strays(cluster)
      const forwarded = await share(cluster, load, dead)
      seen.push(`${(forwarded * 100).toFixed(1)} % with ${astray} astray`)
      return astray < Infinity && forwarded <= FORWARDED + (full ? 0 : astray / SESSIONS)
    }, 120)
  } catch (error) {
    t.comment(JSON.stringify(await whereabouts(cluster)))
    throw error
  } finally {
    t.comment(`forwarded: ${seen.slice(-10).join(', ')}`)
  }
}

async function deploys (t: Test, way: 'restart' | 'replace', tags: number): Promise<void> {
  const cluster = await startLoadCluster(t, 'traefik', { orphan: 'adopt', node: { tags } as never })
  const keys = redisKeys(cluster.keyPrefix)
  const raw = connect(t, cluster.redis)
  const load = await startLoad(t, { urls: cluster.urls, sessions: SESSIONS, streams: 0, cookies: false, state: 'exact', pause: PAUSE })
  await load.goesOn()
  for (let deploy = 1; deploy <= DEPLOYS; deploy++) {
    const { moved } = await load.tally()
    for (const place of cluster.places) {
      await load.goesOn()
      t.equal(await cluster[way](place), 0, `${place.name} has ended in order`)
    }
    await load.goesOn(2)
    await settled(t, cluster, load)
    const [{ moved: now }, spread] = [await load.tally(), await loads(cluster)]
    const mean = SESSIONS / spread.length
    t.comment(`deploy ${deploy}: ${((now - moved) / SESSIONS).toFixed(2)} moves a session; sessions ${spread.join(', ')}, max/mean ${(Math.max(...spread) / mean).toFixed(2)}; ${(await raw.hkeys(keys.tags)).filter(tag => !tag.startsWith('/')).length} tags`)
  }
  const tally = await load.stop()
  t.comment(summary(tally))
  t.same(tally.failed, [], `no call failed: ${summary(tally)}`)
  t.same(tally.wrong, [], 'no answer was wrong')
  t.same(tally.lost, [], 'no session was lost')
}

t.test('nodes that are killed', async t => {
  const cluster = await startLoadCluster(t, 'traefik', { orphan: 'adopt' })
  const load = await startLoad(t, { urls: cluster.urls, sessions: SESSIONS, streams: 0, cookies: false, state: 'late', pause: PAUSE })
  const deaths: Death[] = []
  for (const place of cluster.places.slice(0, full ? 3 : 2)) {
    await load.goesOn()
    deaths.push(await cluster.kill(place))
    await load.goesOn()
    await settled(t, cluster, load, place)
    await cluster.revive(place)
  }
  interrupted(t, await load.stop(), deaths)
})

t.test('the same urls', t => deploys(t, 'restart', 1))
t.test('the same urls, eight tags each', t => deploys(t, 'restart', 8))
t.test('new urls', t => deploys(t, 'replace', 1))
