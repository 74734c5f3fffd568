// Redis lost, hanging, empty, absent at start: what clients of the plugin see.
import t from 'tap'
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { countIndex } from '../../lib/redis/scripts/record-scripts.ts'
import { connect, countCommands, startRedis } from '../fixtures/redis.ts'
import type { RedisServer } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const HEARTBEAT = 100

interface Trouble { redis: RedisServer, a: StartedApp, b: StartedApp, keys: () => Promise<string[]>, keyPrefix: string }

async function twoNodes (t: Test, heartbeat = HEARTBEAT): Promise<Trouble> {
  const redis = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  const start = (id: string): Promise<StartedApp> => startApp(t, { redis: connect(t, redis), keyPrefix, node: { id, heartbeat } })
  const [a, b] = [await start('a'), await start('b')]
  const client = connect(t, redis)
  return { redis, a, b, keyPrefix, keys: async () => (await client.keys(`${keyPrefix}*`)).map(key => key.slice(keyPrefix.length)) }
}

const count = async ({ url }: StartedApp, id: string): Promise<string> => (await inSession(url, id, call('count'))).body.result.content[0].text
const lost = ({ log }: StartedApp): boolean => log.some(line => line.level === 40 && /does not answer; local sessions go on/.test(line.msg))

for (const [trouble, strike, heal] of [
  ['killed', (redis: RedisServer) => redis.kill(), (redis: RedisServer) => redis.start()],
  ['hanging', async (redis: RedisServer) => redis.pause(), async (redis: RedisServer) => redis.resume()]
] as const) {
  t.test(`Redis ${trouble}: local sessions and initialize go on, and everything is made good`, async t => {
    const { redis, a, b, keys } = await twoNodes(t)
    const old = await open(a.url)
    const doomed = await open(a.url)
    const elsewhere = await open(b.url)
    await strike(redis)

    t.equal(await count(a, old), '1')
    const fresh = await open(a.url)
    t.equal(await count(a, fresh), '1')
    t.equal((await send(a.url, { method: 'DELETE', headers: { 'mcp-session-id': doomed } })).status, 200)
    t.match(await inSession(a.url, elsewhere, call('count')), {
      status: 503, headers: { 'retry-after': /^\d+$/ }, body: { id: 2, error: { data: { reason: 'directory_unavailable' } } }
    })
    t.equal((await send(a.url, { method: 'DELETE', headers: { 'mcp-session-id': elsewhere } })).status, 202)
    t.equal(await count(b, elsewhere), '1', 'the queued removal has not been applied yet')
    t.equal(await count(a, old), '2')
    t.equal(await a.app.mcpSessions.has(elsewhere), false)

    await heal(redis)
    await until('the records are right again', async () => {
      const ids = (await keys()).filter(key => key.startsWith('session:')).map(key => key.slice(8)).sort()
      return ids.join() === [old, fresh].sort().join()
    })
    await until('the queued removal has ended the session', () => b.app.mcpSessions.size === 0)
    t.equal(await count(a, old), '3')
    t.equal(await count(a, fresh), '2')
    await until('nodes find each other\'s sessions again', async () => (await inSession(b.url, old, call('count'))).body.error.data.reason === 'misrouted')
    t.ok(lost(a))
    t.ok(a.log.filter(line => /does not answer; local sessions go on/.test(line.msg)).length < 4, 'said on change, not for every command')
  })

  t.test(`Redis ${trouble}: the application closes`, async t => {
    const { redis, a } = await twoNodes(t)
    for (let i = 0; i < 5; i++) await open(a.url)
    await strike(redis)
    await a.app.close()
    t.equal(a.app.mcpSessions.size, 0)
    t.ok(a.log.some(line => line['left'] === 5 && /records were left/.test(line.msg)))
    await heal(redis)
  })
}

t.test('a Redis that comes back empty gets every record again, but none that was closed', async t => {
  const { redis, a, b, keys } = await twoNodes(t)
  const ids = await Promise.all(Array.from({ length: 50 }, () => open(a.url)))
  const closed = ids.pop()!
  t.equal((await send(b.url, { method: 'DELETE', headers: { 'mcp-session-id': closed } })).status, 200)
  await redis.restart()
  await until('all records are back', async () => (await keys()).filter(key => key.startsWith('session:')).length === 50 - 1)
  t.notOk((await keys()).includes(`session:${closed}`))
  t.equal(await count(a, ids[0]!), '1')
  await until('absence is evidence again', async () => (await inSession(b.url, closed, call('count'))).body.error.data.reason === 'unknown')
})

t.test('Redis down at start: the application starts, and joins when Redis is there', async t => {
  const redis = await startRedis(t)
  await redis.kill()
  const keyPrefix = `test:${randomUUID()}:`
  const node = await startApp(t, { redis: connect(t, redis), keyPrefix, node: { id: 'a', heartbeat: HEARTBEAT } })
  const id = await open(node.url)
  t.equal(await count(node, id), '1')
  await redis.start()
  const client = connect(t, redis)
  await until('its record is written', () => client.exists(`${keyPrefix}session:${id}`))
  t.equal(await client.hget(`${keyPrefix}session:${id}`, 'node'), 'a')
})

t.test('the happy path: one record a session, and calls ask Redis for nothing', async t => {
  // A heartbeat that a busy machine keeps: one that comes late has the node look after its records.
  const { redis, a, keyPrefix } = await twoNodes(t, 10_000)
  let id = await open(a.url) // from here on Redis knows the scripts
  const opening = await countCommands(redis, async () => { id = await open(a.url) }, keyPrefix)
  const about = (commands: string[][]): string[][] => commands.filter(command => command.some(word => word.includes('session:') || word.endsWith(':sessions')))
  t.equal(about(opening).length, 2, 'the record and its index entry')
  const calling = await countCommands(redis, async () => {
    for (let i = 0; i < 1000; i++) await count(a, id)
  }, keyPrefix)
  // The index is counted with each beat, which a busy machine may come to meanwhile.
  t.same(about(calling).filter(([, script]) => script !== countIndex.sha && script !== countIndex.lua), [])
})

t.test('a flood of unknown ids is no flood of Redis reads', async t => {
  const { redis, a, b, keyPrefix } = await twoNodes(t)
  const { tag } = b.app.mcpSessions.node
  const made = (): string => `${tag}.${randomUUID().replaceAll('-', '').slice(0, 22)}`
  const same = made()
  const reasons = new Set<string>()
  const begin = performance.now()
  const reads = await countCommands(redis, async () => {
    const ask = async (id: string): Promise<void> => {
      reasons.add((await inSession(a.url, id, call('count'))).body.error.data.reason)
    }
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 200 }, () => ask(made())))
      await Promise.all(Array.from({ length: 50 }, () => ask(same)))
      await Promise.all(Array.from({ length: 50 }, () => ask(randomUUID())))
    }
  }, keyPrefix)
  const seconds = (performance.now() - begin) / 1000
  const session = `${keyPrefix}session:`
  const asked = reads.flat().filter(word => word.startsWith(session))
  const others = new Set(asked.filter(key => key !== session + same)).size
  t.ok(others <= 1000 + 500 * seconds, `${others} reads for 4,000 made-up ids in ${seconds} s`)
  t.ok(asked.filter(key => key === session + same).length < 100, 'few reads for a thousand requests with one id')
  t.strictSame([...reasons].filter(reason => reason !== 'unknown' && reason !== 'directory_unavailable'), [])
})

t.test('while Redis is down another principal\'s session cannot be told from an unknown id', async t => {
  const redis = await startRedis(t)
  const { url } = await startApp(t, { redis: connect(t, redis), keyPrefix: `test:${randomUUID()}:`, principal: request => request.headers.authorization })
  const id = await open(url, { authorization: 'ada' })
  const unknown = `${id.slice(0, 17)}${'x'.repeat(22)}`
  await redis.kill()
  for (const method of ['POST', 'GET', 'DELETE'] as const) {
    const body = method === 'POST' ? call('count') : undefined
    const [foreign, nobody] = await Promise.all([id, unknown].map(id => send(url, { method, body, headers: { 'mcp-session-id': id, authorization: 'bob' } })))
    t.equal(foreign!.status, method === 'DELETE' ? 202 : 503)
    t.same([foreign!.status, foreign!.text, foreign!.headers['retry-after']], [nobody!.status, nobody!.text, nobody!.headers['retry-after']], method)
  }
  t.equal((await inSession(url, id, call('count'), { authorization: 'ada' })).status, 200)
})
