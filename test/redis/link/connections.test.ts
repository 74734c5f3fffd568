import { EventEmitter } from 'node:events'
import t from 'tap'
import type { ClusterNode, RedisClient } from '../../../lib/redis/client.ts'
import { watchConnections, whenConnected } from '../../../lib/redis/link/connections.ts'

class FakeClient extends EventEmitter {
  status = 'ready'
  isCluster = false
  slots: string[][] = []
  connections: FakeConnection[] = []
  nodes (): FakeConnection[] { return this.connections }
  get client (): RedisClient { return this as unknown as RedisClient }
}

class FakeConnection extends EventEmitter {
  status = 'wait'
  readonly options: ClusterNode['options']

  constructor (address: string) {
    super()
    const [host, port] = address.split(':')
    this.options = { host, port: Number(port) }
  }
}

function watched (client: FakeClient) {
  const told: unknown[] = []
  const stop = watchConnections(client.client, { closed: master => told.push(['closed', master]), renewed: master => told.push(['renewed', master]) })
  return { told, stop }
}

/** A Cluster of two masters, each with a replica. */
function cluster () {
  const client = new FakeClient()
  client.isCluster = true
  client.slots = [['a:1', 'c:3'], ['b:2', 'd:4'], []]
  client.connections = ['a:1', 'b:2', 'c:3', 'd:4'].map(address => new FakeConnection(address))
  return { client, ...watched(client) }
}

t.test('a client\'s own connection, until nobody listens', async t => {
  const client = new FakeClient()
  const { told, stop } = watched(client)
  client.emit('close')
  client.emit('ready')
  t.strictSame(told, [['closed', undefined], ['renewed', undefined]])
  stop()
  t.strictSame(client.eventNames(), [])
})

t.test('the first connection to a master is no news, the next is; a replica\'s never', async t => {
  const { client, told } = cluster()
  for (const connection of client.connections) connection.emit('ready')
  t.strictSame(told, [])
  for (const connection of client.connections) connection.emit('ready')
  t.strictSame(told, [['renewed', 'a:1'], ['renewed', 'b:2']])
})

t.test('a master that is replaced shows in the slots, the first look at them is no news', async t => {
  const { client, told } = cluster()
  client.slots = [['c:3', 'a:1'], ['b:2', 'd:4']]
  client.emit('refresh')
  client.emit('refresh')
  t.strictSame(told, [['renewed', 'c:3']])
  const later = new FakeClient()
  later.isCluster = true
  const { told: nothing } = watched(later)
  later.slots = [['a:1']]
  later.emit('refresh')
  t.strictSame(nothing, [])
})

t.test('a master that leaves is lost, and one that comes back by its address is known', async t => {
  const { client, told, stop } = cluster()
  const [first, , replica] = client.connections as [FakeConnection, FakeConnection, FakeConnection]
  first.emit('ready')
  for (const connection of [first, replica]) client.emit('-node', connection)
  t.strictSame(told, [['closed', 'a:1']])
  first.emit('ready')
  t.equal(told.length, 1, 'nobody listens to it any more')
  const again = new FakeConnection('a:1')
  client.emit('+node', again)
  client.emit('+node', again)
  again.emit('ready')
  t.strictSame(told.slice(1), [['renewed', 'a:1']])
  stop()
  for (const emitter of [client, again, ...client.connections]) t.strictSame(emitter.eventNames(), [])
})

t.test('a connection that is being made is waited for, another is not', async t => {
  const client = new FakeClient()
  t.equal(await whenConnected(client.client, 60_000), true)
  for (const status of ['end', 'reconnecting', 'wait']) {
    client.status = status
    t.equal(await whenConnected(client.client, 60_000), false, status)
  }
  for (const [status, event, outcome] of [['ready', 'ready', true], ['close', 'close', false]] as const) {
    client.status = 'connecting'
    const connected = whenConnected(client.client, 60_000)
    client.status = status
    client.emit(event)
    t.equal(await connected, outcome)
    t.strictSame(client.eventNames(), [])
  }
  client.status = 'connect'
  t.equal(await whenConnected(client.client, 1), false)
})
