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

t.test('nor the change that a master acknowledged and its replica never got', async t => {
  const servers = await startSentinel(t)
  const keyPrefix = randomPrefix()
  const client = connectSentinel(t, servers)
  await until('the client is ready', () => client.status === 'ready')
  const { node, directory } = await startNode(t, client, { keyPrefix, lease: true })
  const record = node.open()
  const key = `${keyPrefix}session:${record.id}`
  await directory.add(record)
  const [master, replica] = [connect(t, servers.master), connect(t, servers.replica)]
  await until('the replica has the record', () => replica.exists(key))

  // A replica that stands still, and to which nothing is on its way.
  servers.replica.pause()
  await master.call('client', 'kill', 'type', 'replica')
  node.sessions.set(record.id, { ...record, state: '"changed"' })
  directory.changed(record.id)
  await until('the master has the change', async () => await master.hget(key, 'state') === '"changed"')
  await servers.master.kill()
  servers.replica.resume()
  await until('the replica is promoted', async () => (await replica.info('replication')).includes('role:master'))
  await until('it has the change', async () => await replica.hget(key, 'state') === '"changed"')
  t.strictSame(node.ended, [])
})
