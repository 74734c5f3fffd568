// A deploy brings another version of this package: old and new nodes are one cluster for as long as it takes.
import t from 'tap'
import type { Test } from 'tap'
import { send } from '../fixtures/http.ts'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { Death, LoadCluster } from '../fixtures/load/cluster.ts'
import type { FrontName } from '../fixtures/load/fronts.ts'
import { interrupted, unnoticed } from '../fixtures/load/judge.ts'
import { full } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import { summary } from '../fixtures/load/tally.ts'
import { FORMAT_0, FORMAT_1, packageOf, presentPackage } from '../fixtures/packages.ts'
import { startRedis } from '../fixtures/redis.ts'
import { startRelay } from '../fixtures/relay.ts'
import { until } from '../fixtures/until.ts'

const SESSIONS = full ? 100 : 30
const present = await presentPackage(t)
const format0 = await packageOf(FORMAT_0)

/** Restarts one node after the other with a version, under load. */
async function roll ({ places, restart }: LoadCluster, version: string, goesOn: () => Promise<void>): Promise<void> {
  for (const place of places) {
    await goesOn()
    place.own = { package: version }
    await restart(place)
  }
  await goesOn()
}

async function upgrade (t: Test, former: string, front: FrontName): Promise<void> {
  const cluster = await startLoadCluster(t, front, { orphan: 'adopt', events: true, package: former })
  const load = await startLoad(t, { urls: cluster.urls, sessions: SESSIONS, streams: SESSIONS / 10, state: 'exact', pause: 20 })
  await roll(cluster, present, () => load.goesOn())
  await roll(cluster, former, () => load.goesOn())
  const tally = await load.stop()
  unnoticed(t, tally)
  t.equal(tally.received, tally.announced, 'every announcement was heard')
  t.equal(tally.opened, SESSIONS)
  t.ok(tally.moved >= 2 * SESSIONS, 'every session has moved, there and back')
}

t.test('from format 0 and back, nginx without affinity', t => upgrade(t, format0, 'nginx'))
t.test('from format 1 and back, Traefik', async t => upgrade(t, await packageOf(FORMAT_1), 'traefik'))

t.test('half way: a node that loses Redis alone is not robbed by the other version, one that is killed is taken over', async t => {
  const redis = await startRedis(t)
  const relays = await Promise.all(['a', 'b', 'c'].map(() => startRelay(t, redis.port)))
  const versions = [format0, present, present]
  const { places, urls, kill, revive } = await startLoadCluster(t, 'none', { orphan: 'adopt' }, redis,
    relays.map(({ port }, i) => ({ redis: `redis://127.0.0.1:${port}`, package: versions[i]! })))
  const load = await startLoad(t, { urls, sessions: SESSIONS, state: 'late', pause: 20 })
  const live = async (address: string, count: number): Promise<void> => {
    await until(`${count} nodes live`, async () => {
      const { status, body } = await send(`${address}/nodes`, { method: 'GET' })
      return status === 200 && body.length === count
    })
  }
  // Each node has met each session.
  await load.goesOn(10)
  for (const i of [0, 1]) {
    const others = places.filter(place => place !== places[i])
    relays[i]!.cut()
    for (const { address } of others) await live(address, 2)
    await load.goesOn(5)
    relays[i]!.mend()
    for (const { address } of places) await live(address, 3)
    await load.goesOn(2)
  }
  const whole = await load.tally()
  t.comment(summary(whole))
  t.same(whole.failed, [], `no call failed: ${summary(whole)}`)
  t.equal(whole.moved, 0, 'no session has moved')

  const deaths: Death[] = []
  for (const i of [0, 1]) {
    deaths.push(await kill(places[i]!))
    await load.goesOn()
    await revive(places[i]!)
    await load.goesOn()
  }
  const tally = await load.stop()
  interrupted(t, tally, deaths)
})
