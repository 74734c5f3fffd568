// A deploy brings another version of this package: old and new nodes are one cluster for as long as it takes.
import t from 'tap'
import type { Test } from 'tap'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { LoadCluster } from '../fixtures/load/cluster.ts'
import type { FrontName } from '../fixtures/load/fronts.ts'
import { LISTENERS, PAUSE, SESSIONS } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import { summary } from '../fixtures/load/tally.ts'
import { FORMAT_0, packageOf, presentPackage, previousCommit } from '../fixtures/packages.ts'

const present = await presentPackage(t)

/** Restarts one node after the other with a version, under load. */
async function roll ({ places, restart }: LoadCluster, version: string, goesOn: () => Promise<void>): Promise<void> {
  for (const place of places) {
    await goesOn()
    place.package = version
    await restart(place)
  }
  await goesOn()
}

async function upgrade (t: Test, former: string, front: FrontName): Promise<void> {
  const cluster = await startLoadCluster(t, front, { orphan: 'adopt', events: true, package: former })
  const load = await startLoad(t, { urls: cluster.urls, sessions: SESSIONS, streams: LISTENERS, state: 'exact', pause: PAUSE })
  await roll(cluster, present, () => load.goesOn())
  await roll(cluster, former, () => load.goesOn())
  const tally = await load.stop()
  t.comment(summary(tally))
  t.same(tally.failed, [], 'no call failed')
  t.same(tally.wrong, [], 'no answer was wrong: no session had two owners')
  t.same(tally.lost, [], 'no session was lost')
  t.equal(tally.received, tally.announced, 'every announcement was heard')
  t.equal(tally.opened, SESSIONS)
  t.ok(tally.moved >= 2 * SESSIONS, 'every session has moved, there and back')
}

t.test('from format 0 and back, nginx without affinity', async t => upgrade(t, await packageOf(FORMAT_0), 'nginx'))
t.test('from the previous commit and back, Traefik', async t => upgrade(t, await packageOf(await previousCommit()), 'traefik'))
