import t, { type Test } from 'tap'
import type { Cluster, Redis } from 'ioredis'
import { newSessionId } from '../../lib/session-id.ts'
import { connect, connectCluster, countCommands, startCluster, startRedis } from '../fixtures/redis.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

/** A round through the directory, whatever the client's settings. */
async function goesRound (t: Test, client: () => Redis | Cluster): Promise<void> {
  const keyPrefix = randomPrefix()
  const a = await startNode(t, client(), { keyPrefix })
  const b = await startNode(t, client(), { keyPrefix })
  const records = Array.from({ length: 20 }, () => a.node.open('issuer|ann'))
  t.ok((await Promise.all(records.map(record => a.directory.add(record)))).every(Boolean), 'written')
  const found = await b.directory.locate(records[0]!.id)
  t.match(found, { status: 'misrouted', record: { ...records[0], lastSeenAt: Number } })
  t.equal((await b.directory.list({ limit: 7 })).sessions.length, 7)
  t.equal(await b.directory.remove(records[1]!.id, { principal: 'issuer|ann' }), 'removed')
  await until('the owner ended it', () => a.node.ended.length === 1)
  t.equal(await a.directory.stop(records.map(({ id }) => id), 2000), 0)
  t.strictSame((await b.directory.list({ limit: 7 })).sessions, [])
  t.strictSame(a.log.lines.filter(({ level }) => level !== 'debug'), [])
}

const settings = {
  'a key prefix of its own': { keyPrefix: 'app:{x}:' },
  lazyConnect: { lazyConnect: true },
  'no offline queue': { enableOfflineQueue: false },
  'a command timeout': { commandTimeout: 5000 },
  'no retries given up': { maxRetriesPerRequest: null },
  'numbers as strings': { stringNumbers: true },
  'automatic pipelines': { enableAutoPipelining: true },
  RESP2: { protocol: 2 },
  'RESP3 shapes': { protocol: 3, replyMapping: 'resp3' },
  'friendly stacks': { showFriendlyErrorStack: true }
}

for (const [name, options] of Object.entries(settings)) {
  t.test(`a client with ${name}`, async t => {
    const server = await startRedis(t)
    await goesRound(t, () => connect(t, server, options as object))
  })
}

t.test('a client without offline queue and one that times out stand a hang', async t => {
  const server = await startRedis(t)
  for (const options of [{ enableOfflineQueue: false }, { commandTimeout: 30 }, { maxRetriesPerRequest: null }, { autoResendUnfulfilledCommands: false }]) {
    const keyPrefix = randomPrefix()
    const client = connect(t, server, options)
    const a = await startNode(t, client, { keyPrefix })
    server.pause()
    const records = Array.from({ length: 50 }, () => a.node.open())
    for (const record of records) t.equal(await a.directory.add(record), false)
    t.ok((client as unknown as { commandQueue: { length: number } }).commandQueue.length < 20)
    server.resume()
    const raw = connect(t, server)
    for (const { id } of records) await until('the record is written', () => raw.exists(`${keyPrefix}session:${id}`))
  }
})

t.test('on a Cluster', async t => {
  const servers = await startCluster(t, { replicas: 1 })
  const options = {
    'default settings': {},
    'a key prefix of its own': { keyPrefix: 'app:{x}:' },
    'a prefix in redisOptions': { redisOptions: { keyPrefix: 'app:' } },
    lazyConnect: { lazyConnect: true },
    'automatic pipelines': { enableAutoPipelining: true },
    'reads from replicas': { scaleReads: 'slave' }
  }
  for (const [name, settings] of Object.entries(options)) {
    await t.test(`a client with ${name}`, t => goesRound(t, () => connectCluster(t, servers, settings as object)))
  }

  t.test('reads go to masters, though the client reads from replicas', async t => {
    const keyPrefix = randomPrefix()
    const client = connectCluster(t, servers, { scaleReads: 'slave' })
    const a = await startNode(t, client, { keyPrefix, heartbeat: 3_600_000 })
    const read = async () => {
      for (let i = 0; i < 30; i++) t.equal((await a.directory.locate(newSessionId(a.node.identity.tag))).status, 'unknown')
    }
    let all = read
    const seen: string[][][] = []
    for (const replica of servers.replicas) {
      const inner = all
      all = async () => { seen.push(await countCommands(replica, inner, keyPrefix)) }
    }
    await all()
    // A replica repeats its master's writes; a read would come as EVALSHA.
    t.strictSame(seen.flat().filter(([name]) => /^eval/i.test(name!)), [])
  })
})
