// A Redis that is far away, and that packets get lost on the way to.
import t from 'tap'
import { NODES, startNetworkCluster } from '../fixtures/network/cluster.ts'
import { suffer, untouched } from '../fixtures/network/fault.ts'

t.test('200 ms away, one of twenty packets lost: nothing fails', async t => {
  const cluster = await startNetworkCluster(t, { node: { id: '', heartbeat: 2000 } }, { latency: 100 })
  const { network } = cluster
  const seen = await suffer(t, cluster, () => { for (const node of NODES) network.lose(0.05, node, 'slow') })
  t.same(seen.tally.failed, [], 'no call failed')
  untouched(t, seen)
})
