// The era without sessions is turned on, and off in two steps, and both are taken back, by one rolling deploy each behind Traefik,
// under clients of both eras that call all the time: no call fails, and who connects speaks what is announced.
import t from 'tap'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { Place } from '../fixtures/load/cluster.ts'
import { buildGoClient, connectSdk, EraLoad } from '../fixtures/load/era-clients.ts'
import type { Connect } from '../fixtures/load/era-clients.ts'
import { full } from '../fixtures/load/size.ts'
import { ask } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'

/** Clients of the SDK that stay, of each era. */
const STAYING = full ? 20 : 2
/** Rolling restarts while all serve it; without them, the first step off is one. */
const RESTARTS = full ? 5 : 0
const [SESSIONS, STATELESS] = ['2025-11-25', '2026-07-28'] as const
const [ON, UNANNOUNCED, OFF] = [{ stateless: {} }, { stateless: { announce: false } }, {}]

t.test('on, restarts, off and back', async t => {
  const connectGo = buildGoClient(t)
  const { places, urls: [url], restart } = await startLoadCluster(t, 'traefik', { orphan: 'adopt', drain: { grace: 300 } })
  const load = new EraLoad()
  let clients = 0

  /** Clients that connect now, speak this, and call; to how they are stopped. */
  async function come (kinds: readonly Connect[], revision: string): Promise<() => Promise<void>> {
    const stops = await Promise.all(kinds.map(async connect => {
      const connected = await connect(url!)
      t.equal(connected.revision, revision, `${load.phase}: what a new client speaks`)
      return load.add(connected, `client ${++clients} of ${revision}`)
    }))
    return async () => { await Promise.all(stops.map(stop => stop())) }
  }

  let leave = async (): Promise<void> => {}
  /** One client of each kind comes for those that came last. The Go SDK's gives its session up when its own stream has ended six times without a message (go-sdk#1175), so it does not stay. */
  async function newcomers (revision: string): Promise<void> {
    await leave()
    leave = await come([connectSdk, connectGo], revision)
  }

  async function deploy (own: Place['own'], to = places, before: (place: Place) => Promise<void> = async () => {}): Promise<void> {
    for (const place of to) {
      await before(place)
      await load.goesOn()
      place.own = own
      t.equal(await restart(place), 0, `${load.phase}: ${place.name} has ended in order`)
    }
  }

  async function announced (): Promise<boolean> {
    return (await ask(url!, 'server/discover')).status === 200
  }

  load.phase = 'sessions only'
  const [first, , last] = places as [Place, Place, Place]
  const sdk = Array.from({ length: STAYING }, () => connectSdk)
  await come(sdk, SESSIONS)
  await newcomers(SESSIONS)

  load.phase = 'on'
  await deploy(ON, places, async place => {
    t.equal(await announced(), false, 'not before all nodes have it')
    if (place === last) await newcomers(SESSIONS)
  })
  await until('it is announced', announced)
  await newcomers(STATELESS)
  const leaveStateless = await come([...sdk, connectGo], STATELESS)

  load.phase = 'restarts'
  for (let round = 0; round < RESTARTS; round++) await deploy(ON)
  t.equal(await announced(), true)

  load.phase = 'off, the first step, at one node and back'
  await deploy(UNANNOUNCED, [first])
  await until('nobody hears of it', async () => !await announced())
  await newcomers(SESSIONS)
  await deploy(ON, [first])
  await until('it is announced again', announced)
  await newcomers(STATELESS)

  load.phase = 'off, the first step'
  await deploy(UNANNOUNCED)
  t.equal(await announced(), false)
  await newcomers(SESSIONS)

  load.phase = 'off, the second step'
  await deploy(OFF, places, async place => { if (place === last) await leaveStateless() })
  t.equal(await announced(), false)
  await newcomers(SESSIONS)

  load.phase = 'back on'
  await deploy(ON)
  await until('it is announced', announced)
  await newcomers(STATELESS)
  await load.goesOn()

  const { ok, failed, wrong } = await load.stop()
  t.comment(`${clients} clients, ${ok} calls answered, ${failed.length} failed, ${wrong.length} wrong`)
  t.same(failed, [], 'no call failed')
  t.same(wrong, [], 'no answer was wrong')
})
