// A wall clock that somebody sets, under load.
import t from 'tap'
import { setTimeout as pause } from 'node:timers/promises'
import { startNetworkCluster } from '../fixtures/network/cluster.ts'
import { suffer, untouched } from '../fixtures/network/fault.ts'

t.test('a clock that jumps an hour ahead, then two back: nothing fails', async t => {
  const cluster = await startNetworkCluster(t)
  const { setClock } = cluster
  const seen = await suffer(t, cluster, async () => {
    await setClock(3600)
    await pause(4000)
    await setClock(-3600)
  }, { lasts: 4000, mended: () => setClock(0) })
  t.same(seen.tally.failed, [], 'no call failed')
  untouched(t, seen)
})
