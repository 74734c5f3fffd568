import t from 'tap'
import { connect, connectCluster, startRedis } from '../fixtures/redis.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

t.test('a Cluster that is down at the start: one line, and "answers again" with the first answer', async t => {
  const server = await startRedis(t, ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'])
  const admin = connect(t, server)
  await admin.call('cluster', 'addslotsrange', '0', '16382')
  await until('the cluster has noticed', async () => /CLUSTERDOWN/.test(await admin.get('x').then(() => '', String)))
  const a = await startNode(t, connectCluster(t, { masters: [server], replicas: [] }), { keyPrefix: randomPrefix() })
  const record = a.node.open()
  for (let i = 0; i < 3; i++) t.equal(await a.directory.add(record), false)
  let ticks = 0
  await until('it was tried for a while', async () => { a.directory.announce(); return ++ticks > 200 })
  t.match(a.log.lines, [{ level: 'warn', message: /does not answer/ }])
  t.equal(a.log.lines.length, 1)
  await admin.call('cluster', 'addslots', '16383')
  await until('the record is written', async () => (await a.directory.list({ limit: 1 }).catch(() => ({ sessions: [] }))).sessions.length === 1)
  t.match(a.log.lines, [{}, { message: /answers again$/ }])
})
