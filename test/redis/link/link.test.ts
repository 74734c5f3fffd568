import t from 'tap'
import type { ClusterClient } from '../../../lib/redis/client.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { keySlot } from '../../../lib/redis/link/slot.ts'
import { readSet, addToSet } from '../../../lib/redis/scripts/node-scripts.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { until } from '../../fixtures/until.ts'

function toldBy () {
  const told: string[] = []
  return {
    told,
    events: {
      lost: (why: string) => told.push(`lost: ${why}`),
      masterGone: () => told.push('master gone'),
      answering: () => told.push('answering'),
      reconnected: () => told.push('reconnected')
    }
  }
}

/** Keeps the event loop from doing anything. */
function holdUp (milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

t.test('a busy process does not take its own delay for Redis\'', async t => {
  const client = connect(t, await startRedis(t))
  await client.ping()
  const { told, events } = toldBy()
  const link = new Link(client, events)
  // Not known to Redis yet: it takes two turns of the event loop.
  const answer = link.run(addToSet, 'set', ['', 'x'], 20)
  holdUp(200)
  t.equal(await answer, 1)
  t.strictSame(told, [])
  link.stop()
})

t.test('the unanswered command is the probe, and its answer is told', async t => {
  const server = await startRedis(t)
  const client = connect(t, server)
  await client.ping()
  const { told, events } = toldBy()
  const link = new Link(client, events)
  server.pause()
  await t.rejects(link.run(readSet, 'set', [], 20), { message: 'no answer within 20 ms' })
  t.equal(link.ailing, true)
  await t.rejects(link.run(readSet, 'set'), { message: 'the server does not answer' })
  server.resume()
  await until('Redis answers', () => told.length === 2)
  t.strictSame(told, ['lost: no answer within 20 ms', 'answering'])
  t.strictSame(await link.run(readSet, 'set'), [])
  link.stop()
})

t.test('what Redis answers with an error is an answer', async t => {
  const client = connect(t, await startRedis(t))
  await client.set('text', 'x')
  const { told, events } = toldBy()
  const link = new Link(client, events)
  await t.rejects(link.run(readSet, 'text'), { name: 'ReplyError', message: /WRONGTYPE/ })
  t.equal(link.ailing, false)
  t.strictSame(told, [])
  link.stop()
})

t.test('a client that was not connected yet is, and its connections are told', async t => {
  const server = await startRedis(t)
  const client = connect(t, server, { lazyConnect: true })
  const { told, events } = toldBy()
  const link = new Link(client, events)
  t.equal(link.ready, false)
  await t.rejects(link.run(readSet, 'set'), { message: 'the client is not connected' })
  t.equal(await link.connected(20_000), true)
  t.strictSame(told, ['reconnected'])
  await server.kill()
  await until('the loss is told', () => told.length > 1)
  t.match(told[1], /^lost: the connection is closed/)
  t.equal(await link.connected(20_000), false)
  link.stop()
  await server.start()
  await until('the client is back', () => client.status === 'ready')
  t.notMatch(told.slice(2).join(), /reconnected/, 'a stopped link tells nothing')
})

t.test('on a Cluster the breaker is the key\'s master\'s, the client\'s own prefix counted in', async t => {
  const slots = Array.from({ length: 16_384 }, () => ['a:1'])
  slots[keySlot('app:hung')] = ['b:1', 'b:2']
  const client: ClusterClient = {
    status: 'ready',
    isCluster: true,
    options: { keyPrefix: 'app:' },
    slots,
    nodes: () => [],
    refreshSlotsCache () {},
    connect: async () => {},
    evalsha: async () => [],
    eval: (_lua, _keys, key) => key === 'hung' ? new Promise(() => {}) : Promise.resolve([]),
    on () {},
    off () {}
  }
  const { told, events } = toldBy()
  const link = new Link(client, events)
  await t.rejects(link.run(readSet, 'hung', [], 1), { message: 'no answer within 1 ms' })
  t.strictSame(told, ['lost: no answer within 1 ms from b:1'])
  await t.rejects(link.run(readSet, 'hung'), { message: 'the server does not answer' })
  t.strictSame(await link.run(readSet, 'well'), [])
})
