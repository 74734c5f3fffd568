// Whatever happens to nodes and to Redis, one thing after the other in an order of chance: no session is lost, none has two owners.
import t from 'tap'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { LoadCluster, Place } from '../fixtures/load/cluster.ts'
import { full } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import { summary } from '../fixtures/load/tally.ts'
import { connect } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'
import { World } from '../affinity/model/world.ts'

const SEED = Number(process.env['MCP_STICKY_SCHEDULE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const STEPS = full ? 60 : 8
const SESSIONS = full ? 60 : 20

interface Step {
  /** Whether calls that are under way meanwhile may fail. */
  cuts: boolean
  strike: (cluster: LoadCluster, place: Place) => unknown
  heal: (cluster: LoadCluster, place: Place) => unknown
}

const steps: Record<string, Step> = {
  'kill -9': { cuts: true, strike: ({ kill }, place) => kill(place), heal: ({ revive }, place) => revive(place) },
  'kill -9, back at once': { cuts: true, strike: async ({ kill, revive }, place) => { await kill(place); await revive(place) }, heal: () => {} },
  SIGSTOP: { cuts: true, strike: (_cluster, { process }) => process.pause(), heal: (_cluster, { process }) => process.resume() },
  SIGTERM: { cuts: false, strike: (_cluster, { process }) => process.terminate(), heal: ({ revive }, place) => revive(place) },
  'Redis hangs': { cuts: false, strike: ({ redis }) => redis.pause(), heal: ({ redis }) => redis.resume() },
  'Redis is stopped, and back empty': { cuts: false, strike: ({ redis }) => redis.kill(), heal: ({ redis }) => redis.start() }
}

t.test(`MCP_STICKY_SCHEDULE_SEED=${SEED}`, async t => {
  const chance = new World(SEED)
  const cluster = await startLoadCluster(t, 'none', { orphan: 'adopt', events: true })
  const { places } = cluster
  const client = connect(t, cluster.redis)
  const load = await startLoad(t, { urls: cluster.urls, sessions: SESSIONS, lanes: true, state: 'late', pause: 10 })
  const troubles: Array<{ from: number, to: number }> = []
  const goesOn = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await load.mark()
      await until('every session goes on', async () => {
        const { silent, lost } = await load.tally()
        if (lost.length > 0) throw new Error(`sessions were lost: ${lost.join('; ')}`)
        return silent === 0
      })
    }
  }
  await goesOn()
  for (let i = 0; i < STEPS; i++) {
    const name = chance.pick(Object.keys(steps))
    const place = chance.pick(places)
    const { cuts, strike, heal } = steps[name]!
    t.comment(`${name}, ${place.name}-${place.incarnations}`)
    const from = Date.now()
    await strike(cluster, place)
    await goesOn()
    await heal(cluster, place)
    await goesOn()
    if (cuts) troubles.push({ from, to: Date.now() })
    // What Redis has forgotten is written again before anything else happens: together with a node its records would be lost.
    await until('every record is there', async () => (await client.keys(`${cluster.keyPrefix}session:*`)).length === SESSIONS)
  }
  const tally = await load.stop()
  t.comment(summary(tally))
  t.same(tally.wrong, [], 'no session had two owners')
  t.same(tally.lost, [], 'no session was lost')
  t.same(tally.failed.filter(({ sent, ended }) => !troubles.some(({ from, to }) => sent <= to && ended >= from)), [], 'only what was under way on a node that was cut off failed')
})
