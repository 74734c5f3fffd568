// Redis' master dies while clients call, and its replica takes over.
import t from 'tap'
import { startLoadCluster } from '../fixtures/load/cluster.ts'
import { unnoticed } from '../fixtures/load/judge.ts'
import { PAUSE, SESSIONS } from '../fixtures/load/size.ts'
import { startLoad } from '../fixtures/load/start-load.ts'
import { connect } from '../fixtures/redis.ts'
import { startSentinel } from '../fixtures/redis-sentinel.ts'
import { until } from '../fixtures/until.ts'

t.test('a Sentinel failover: nothing fails, nothing moves', async t => {
  const { master, replica, port } = await startSentinel(t)
  const { keyPrefix, urls } = await startLoadCluster(t, 'none', { orphan: 'adopt', sentinel: port }, master)
  const load = await startLoad(t, { urls, sessions: SESSIONS, state: 'exact', pause: PAUSE })
  // Each node has met each session.
  await load.goesOn(30)
  await master.kill()
  const promoted = connect(t, replica)
  await until('the replica is the master', async () => (await promoted.info('replication')).includes('role:master'))
  await load.goesOn(3)
  await until('every record is there', async () => (await promoted.keys(`${keyPrefix}session:*`)).length === SESSIONS)
  await until('every node beats there', async () => (await promoted.hkeys(`${keyPrefix}members`)).filter(id => id.endsWith('-1')).length === urls.length)
  await load.goesOn(3)
  const tally = await load.stop()
  unnoticed(t, tally)
  t.equal(tally.moved, 0, 'no session has moved')
})
