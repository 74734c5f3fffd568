// Nodes die without a word under clients that call without pause.
import t from 'tap'
import type { Test } from 'tap'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { Death } from '../fixtures/load/cluster.ts'
import type { FrontName } from '../fixtures/load/fronts.ts'
import { interrupted } from '../fixtures/load/judge.ts'
import { KILLS, LISTENERS, PAUSE, SESSIONS } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'

async function killNodes (t: Test, front: FrontName): Promise<void> {
  const { places, urls, kill, revive } = await startLoadCluster(t, front, { orphan: 'adopt', events: true })
  const load = await startLoad(t, { urls, sessions: SESSIONS, streams: LISTENERS, state: 'late', pause: PAUSE })
  const deaths: Death[] = []
  for (let i = 0; i < KILLS; i++) {
    const place = places[Math.floor(Math.random() * places.length)]!
    t.comment(`kill -9 of ${place.name}-${place.incarnations}`)
    deaths.push(await kill(place))
    await load.goesOn()
    await revive(place)
    await load.goesOn()
  }
  const tally = await load.stop()
  interrupted(t, tally, deaths)
  t.ok(tally.failed.filter(({ call }) => call !== 'GET').length <= deaths.length * SESSIONS, 'each once')
  t.equal(tally.opened, SESSIONS)
}

t.test('kill -9 of a random node, again and again, behind Traefik', t => killNodes(t, 'traefik'))
t.test('the same behind nginx without affinity', t => killNodes(t, 'nginx'))

t.test('kill -9, and the node is back at once under its old url: it finds its own sessions', async t => {
  const { places, urls, kill, revive } = await startLoadCluster(t, 'traefik', { orphan: 'adopt' })
  const load = await startLoad(t, { urls, sessions: SESSIONS, state: 'late', pause: PAUSE })
  await load.goesOn()
  const [place] = places
  const death = await kill(place!)
  await revive(place!)
  await load.goesOn()
  const tally = await load.stop()
  interrupted(t, tally, [death])
  t.ok(tally.moved > 0)
})
