// Whatever happens to nodes and to Redis, one thing after the other in an order of chance: no session is lost, none has two owners.
import t from 'tap'
import { send } from '../fixtures/http.ts'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { LoadCluster, Place } from '../fixtures/load/cluster.ts'
import { full } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import { summary } from '../fixtures/load/tally.ts'
import { connect } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'
import { World } from '../affinity/model/world.ts'

/** The short form is the same each time: a failure is somebody's change. */
const SEED = Number(process.env['MCP_STICKY_SCHEDULE_SEED'] ?? (full ? Math.floor(Math.random() * 2 ** 31) : 1902696143))
const STEPS = full ? 60 : 8
const SESSIONS = full ? 60 : 20

interface Step {
  /** How calls that are under way meanwhile may fail. */
  fails: RegExp
  strike: (cluster: LoadCluster, place: Place) => unknown
  heal: (cluster: LoadCluster, place: Place) => unknown
}

/** What is under way on the node is cut off. */
const CUT = /./
/** Clients without a proxy may open a connection just as the node stops to listen. */
const UNHEARD = /^(ECONNRESET|UND_ERR_SOCKET)$/
/** Where a session is that another node has adopted, only those know that have met it there. */
const UNAVAILABLE = /directory_unavailable/

const steps: Record<string, Step> = {
  'kill -9': { fails: CUT, strike: ({ kill }, place) => kill(place), heal: ({ revive }, place) => revive(place) },
  'kill -9, back at once': { fails: CUT, strike: async ({ kill, revive }, place) => { await kill(place); await revive(place) }, heal: () => {} },
  SIGSTOP: { fails: CUT, strike: (_cluster, { process }) => process.pause(), heal: (_cluster, { process }) => process.resume() },
  SIGTERM: { fails: UNHEARD, strike: (_cluster, { process }) => process.terminate(), heal: ({ revive }, place) => revive(place) },
  'Redis hangs': { fails: UNAVAILABLE, strike: ({ redis }) => redis.pause(), heal: ({ redis }) => redis.resume() },
  'Redis is stopped, and back empty': { fails: UNAVAILABLE, strike: ({ redis }) => redis.kill(), heal: ({ redis }) => redis.start() }
}

t.test(`MCP_STICKY_SCHEDULE_SEED=${SEED}`, async t => {
  const chance = new World(SEED)
  const cluster = await startLoadCluster(t, 'none', { orphan: 'adopt', events: true })
  const { places } = cluster
  const client = connect(t, cluster.redis)
  const load = await startLoad(t, { urls: cluster.urls, sessions: SESSIONS, lanes: true, state: 'late', pause: 10 })
  const troubles: Array<{ from: number, to: number, fails: RegExp }> = []
  await load.goesOn(3)
  for (let i = 0; i < STEPS; i++) {
    const name = chance.pick(Object.keys(steps))
    const place = chance.pick(places)
    const { fails, strike, heal } = steps[name]!
    t.comment(`${name}, ${place.name}-${place.incarnations}`)
    const from = Date.now()
    await strike(cluster, place)
    await load.goesOn(3)
    await heal(cluster, place)
    await load.goesOn(3)
    // What Redis has forgotten is written again before anything else happens: together with a node its records would be lost.
    await until('every record is there', async () => (await client.keys(`${cluster.keyPrefix}session:*`)).length === SESSIONS)
    await until('no node is in doubt about the others', async () => {
      const known = await Promise.all(places.map(({ address }) => send(`${address}/nodes`, { method: 'GET' })))
      return known.every(({ status, body }) => status === 200 && body.length === places.length)
    })
    troubles.push({ from, to: Date.now(), fails })
  }
  const tally = await load.stop()
  t.comment(summary(tally))
  t.same(tally.wrong, [], 'no session had two owners')
  t.same(tally.lost, [], 'no session was lost')
  t.same(tally.failed.filter(({ sent, ended, reason }) => !troubles.some(({ from, to, fails }) => sent <= to && ended >= from && fails.test(reason))), [], 'nothing failed but what has to')
})
