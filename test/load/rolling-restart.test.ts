// Three nodes are restarted one after the other, as a deploy does it, under clients that call without pause: each ends in another
// way that applications have.
import t from 'tap'
import type { Test } from 'tap'
import { send } from '../fixtures/http.ts'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { LoadCluster } from '../fixtures/load/cluster.ts'
import type { FrontName } from '../fixtures/load/fronts.ts'
import { unnoticed } from '../fixtures/load/judge.ts'
import { full, LISTENERS, PAUSE, SESSIONS } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import { until } from '../fixtures/until.ts'

/** Requests that the nodes have passed on. */
async function forwards ({ places }: LoadCluster): Promise<number> {
  const counts = await Promise.all(places.map(async ({ address }) => (await send(`${address}/counters`, { method: 'GET' })).body.forwarded as number))
  return counts.reduce((sum, count) => sum + count, 0)
}

/** After three rounds each place has seen every way to exit. */
const ROUNDS = full ? 3 : 1

async function rollingRestart (t: Test, front: FrontName, cookies: boolean): Promise<void> {
  const cluster = await startLoadCluster(t, front, { orphan: 'adopt', events: true, everyExit: true })
  const load = await startLoad(t, { urls: cluster.urls, sessions: SESSIONS, streams: LISTENERS, cookies, state: 'exact', pause: PAUSE })
  for (let round = 0; round < ROUNDS; round++) {
    for (const place of cluster.places) {
      await load.goesOn()
      t.equal(await cluster.restart(place), 0, `${place.name} has ended in order`)
    }
  }
  await load.goesOn()
  const [{ ok }, forwarded] = [await load.tally(), await forwards(cluster)]
  await until('the load has gone on', async () => (await load.tally()).ok > ok + 20 * SESSIONS)
  const [{ ok: late }, more] = [await load.tally(), await forwards(cluster)]
  t.comment(`after the restart ${Math.round(100 * (more - forwarded) / (late - ok))} % of the requests are forwarded`)
  const tally = await load.stop()
  unnoticed(t, tally)
  t.equal(tally.received, tally.announced, 'every announcement was heard')
  t.equal(tally.opened, SESSIONS)
  t.ok(tally.moved >= SESSIONS, 'every session has moved')
}

t.test('Traefik, clients without cookies', t => rollingRestart(t, 'traefik', false))
t.test('Traefik, clients with cookies, the cookie alone', t => rollingRestart(t, 'traefik, cookie alone', true))
t.test('nginx round-robin without affinity', t => rollingRestart(t, 'nginx', false))
