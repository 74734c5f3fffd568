// A node that was paused until others took its sessions over must not answer for them when it wakes up.
import t from 'tap'
import { send } from '../fixtures/http.ts'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import type { Place } from '../fixtures/load/cluster.ts'
import { full } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import { summary } from '../fixtures/load/tally.ts'
import { until } from '../fixtures/until.ts'

const SESSIONS = full ? 60 : 20

/** The place with the most sessions: whoever was the heir of the one before. */
async function holder (places: readonly Place[]): Promise<Place> {
  return until('somebody has them', async () => {
    // One that has just woken up doubts what it knows, for a while.
    const { status, body } = await send(`${places[0]!.address}/nodes`, { method: 'GET' })
    if (status !== 200) return undefined
    const most = (body as Array<{ url: string, sessions: number }>).sort((a, b) => b.sessions - a.sessions)[0]
    return most !== undefined && most.sessions > SESSIONS / 2 ? places.find(({ address }) => address === most.url) : undefined
  })
}

t.test('SIGSTOP past the life of the heartbeat, adoption elsewhere, SIGCONT, all under load on both nodes', async t => {
  const { places } = await startLoadCluster(t, 'none', { orphan: 'adopt' })
  // Each session calls through both at once, so some calls wait in the sockets of the paused node.
  const load = await startLoad(t, { urls: places.slice(0, 2).map(({ url }) => url), sessions: SESSIONS, lanes: true, pause: 5 })
  const pauses = full ? 6 : 2
  for (let i = 0; i < pauses; i++) {
    await load.goesOn()
    const { process } = await holder(places)
    process.pause()
    await load.goesOn()
    process.resume()
    await load.goesOn()
  }
  const { ok } = await load.tally()
  await until('the load has gone on', async () => (await load.tally()).ok > ok + 20 * SESSIONS)
  const tally = await load.stop()
  t.comment(summary(tally))
  // Stopped between its last look at the lease and the write, a process says that one answer when it wakes (docs/operations.md).
  t.ok(tally.wrong.length <= pauses && tally.wrong.every(wrong => /answered again/.test(wrong)), `no server object answered after another one had, but for one that was writing: ${tally.wrong.join('; ')}`)
  t.same(tally.lost, [], 'no session was lost')
  t.ok(tally.moved >= 2 * SESSIONS, 'sessions were taken over, and back')
  // What the paused node had begun, or what was on its way to it, ends with an error; it is not done again elsewhere.
  t.same([...new Set(tally.failed.map(({ reason }) => reason))].filter(reason => !/owner_lost|session_ended/.test(reason)), [])
})
