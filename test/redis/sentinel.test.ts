import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { connect } from '../fixtures/redis.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { connectSentinel, startSentinel } from '../fixtures/redis-sentinel.ts'
import { until } from '../fixtures/until.ts'

t.test('a Sentinel failover in mid-traffic loses no session', async t => {
  const servers = await startSentinel(t)
  const keyPrefix = randomPrefix()
  const clients = [connectSentinel(t, servers), connectSentinel(t, servers)] as const
  for (const client of clients) await until('the client is ready', () => client.status === 'ready')
  const a = await startNode(t, clients[0], { keyPrefix, lease: true })
  const b = await startNode(t, clients[1], { keyPrefix, lease: true })
  for (let i = 0; i < 100; i++) await a.directory.add(a.node.open())

  const traffic = { over: false }
  const calling = (async () => {
    for (let n = 0; !traffic.over; n++) {
      const record = a.node.open()
      await a.directory.add(record)
      a.node.sessions.set(record.id, { ...record, state: JSON.stringify({ n }) })
      a.directory.changed(record.id)
      await a.directory.reclaim(record.id)
      // While Redis is known to be away, nothing of this takes any time.
      await setImmediate()
    }
  })()
  await until('there is traffic', () => a.node.size > 150)
  await servers.master.kill()
  const before = a.node.size
  const raw = connect(t, servers.replica)
  await until('the replica is promoted', async () => (await raw.info('replication')).includes('role:master'))
  await until('there is traffic again', () => a.node.size > before + 50)
  traffic.over = true
  await calling

  const ids = [...a.node.ids()]
  await until('every record is of the node\'s epoch, in the promoted server', async () => {
    const epochs = await Promise.all(ids.map(id => raw.hget(`${keyPrefix}session:${id}`, 'epoch')))
    return epochs.every(epoch => epoch === a.node.identity.epoch)
  })
  await until('every session is found', async () => {
    const found = await Promise.all(ids.map(id => b.directory.locate(id, { fresh: true }).then(({ status }) => status, () => 'unavailable')))
    return found.every(status => status === 'misrouted')
  })
  await until('every change is written', async () => {
    const states = await Promise.all(ids.map(id => raw.hget(`${keyPrefix}session:${id}`, 'state')))
    return states.every((state, i) => (state ?? undefined) === a.node.record(ids[i]!)!.state)
  })
  t.strictSame(a.node.ended, [])
})
