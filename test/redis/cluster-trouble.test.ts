import type { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { keySlot } from '../../lib/redis/link/slot.ts'
import type { NewRecord } from '../../lib/directory/record.ts'
import { connect, connectCluster, startCluster, type RedisClusterServers, type RedisServer } from '../fixtures/redis.ts'
import { randomPrefix, startNode, type RedisNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

/** Two nodes on a Cluster, with a hundred sessions at the first. */
async function setUp (t: Test, replicas = 0) {
  const servers = await startCluster(t, { replicas })
  const keyPrefix = randomPrefix()
  const clients = [connectCluster(t, servers), connectCluster(t, servers)] as const
  for (const client of clients) await until('the client is ready', () => client.status === 'ready')
  const a = await startNode(t, clients[0], { keyPrefix, lease: true })
  const b = await startNode(t, clients[1], { keyPrefix })
  const records = Array.from({ length: 100 }, () => a.node.open())
  for (const record of records) await a.directory.add(record)
  return { servers, keyPrefix, client: clients[0], a, b, records }
}

/** The server that has a key, as the slots were handed out. */
function masterOf ({ masters }: RedisClusterServers, key: string): RedisServer {
  const slot = keySlot(key)
  return masters.findLast((_, i) => slot >= Math.floor(i * 16384 / masters.length))!
}

async function allFound ({ directory }: RedisNode, records: NewRecord[]): Promise<boolean> {
  const found = await Promise.all(records.map(({ id }) => directory.locate(id, { fresh: true }).then(({ status }) => status, () => 'unavailable')))
  return found.every(status => status === 'misrouted')
}

t.test('what one master lost is written again, though the client was never disconnected', async t => {
  const { servers, keyPrefix, client, a, b, records } = await setUp(t)
  for (const master of servers.masters) {
    const ready: string[] = []
    client.on('ready', () => ready.push('ready'))
    await master.kill()
    await master.start()
    await until('all records are found again', () => allFound(b, records))
    t.strictSame(ready, [], 'no ready of the Cluster client tells of it')
    const lost = records.filter(({ id }) => masterOf(servers, `${keyPrefix}session:${id}`) === master)
    const raw = connect(t, master)
    for (const { id } of lost) t.equal(await raw.exists(`${keyPrefix}session:${id}`), 1)
    await until('all are listed again', async () => (await b.directory.list({ limit: 200 })).sessions.length === 100)
  }
  t.strictSame(a.node.ended, [])
})

t.test('one hanging master holds up its own keys alone', async t => {
  const { servers, keyPrefix, client, a, b } = await setUp(t)
  const hung = masterOf(servers, `${keyPrefix}members`)
  hung.pause()
  const queued = () => (client as Cluster).nodes('master').find(({ options }) => options.port === hung.port) as unknown as { commandQueue: { length: number } } | undefined
  const records = Array.from({ length: 200 }, () => a.node.open())
  for (const record of records) await a.directory.add(record)
  const waiting = queued()
  if (waiting) t.ok(waiting.commandQueue.length <= 20, `${waiting.commandQueue.length} commands wait for the hanging master`)
  for (const server of servers.masters) {
    if (server === hung) continue
    const raw = connect(t, server)
    const here = records.filter(({ id }) => masterOf(servers, `${keyPrefix}session:${id}`) === server)
    for (const { id } of here) t.equal(await raw.exists(`${keyPrefix}session:${id}`), 1, 'written at once')
  }
  hung.resume()
  await until('all records are found', () => allFound(b, records))
})

t.test('a hanging master is failed over, and the directory follows', async t => {
  const { servers, keyPrefix, a, b, records } = await setUp(t, 1)
  const hung = masterOf(servers, `${keyPrefix}session:${records[0]!.id}`)
  hung.pause()
  const late = a.node.open()
  await a.directory.add(late)
  await until('the records are found on the promoted replica', () => allFound(b, [...records, late]))
  const more = a.node.open()
  await until('new sessions are written again', () => a.directory.add(more))
  await until('all are of the node\'s epoch', () => [...a.node.ids()].every(id => a.node.epochs.get(id) === a.node.identity.epoch))
  t.strictSame(a.node.ended, [])
  hung.resume()
})
