// Sessions that are found wherever a request arrives: forwarded, adopted, handed over.
import t from 'tap'
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { request } from 'undici'
import type { McpStickyOptions } from '../../lib/index.ts'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { connect1, connect2 } from '../fixtures/clients.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { connect, countCommands, startRedis } from '../fixtures/redis.ts'
import { createServer } from '../fixtures/session-server.ts'
import { until } from '../fixtures/until.ts'

const redis = await startRedis(t)

interface Nodes { nodes: StartedApp[], start: (id: string, options?: Partial<McpStickyOptions>) => Promise<StartedApp>, keyPrefix: string }

/** Nodes of one cluster that know of each other. */
async function startNodes (t: Test, count: number, options: Partial<McpStickyOptions> = {}): Promise<Nodes> {
  const keyPrefix = `test:${randomUUID()}:`
  const nodes: StartedApp[] = []
  const start = async (id: string, more: Partial<McpStickyOptions> = {}): Promise<StartedApp> => {
    const url = `http://127.0.0.1:${await freePort()}`
    const node = await startApp(t, {
      redis: connect(t, redis), keyPrefix, node: { id, url, heartbeat: 100 }, drain: { grace: 0, timeout: 5000 }, ...options, ...more
    }, { fastify: { return503OnClosing: false } })
    nodes.push(node)
    for (const { app } of nodes.filter(({ app }) => app.server.listening)) {
      await until('the nodes know of each other', async () => (await app.mcpSessions.nodes().catch(() => [])).some(known => known.id === id))
    }
    return node
  }
  for (let i = 0; i < count; i++) await start(`node-${i}`)
  return { nodes, start, keyPrefix }
}

const text = (answer: { body: any }): unknown => answer.body?.result?.content?.[0]?.text ?? answer.body

t.test('forwarding is the default with node.url and Redis: every feature works on the wrong node', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2)
  const id = await open(a!.url)
  t.equal(text(await inSession(b!.url, id, call('count'))), '1')
  t.equal(text(await inSession(a!.url, id, call('count'))), '2')
  t.equal(text(await inSession(b!.url, id, call('echo', { message: 'ü ✓' }))), 'ü ✓')
  t.equal(b!.app.mcpSessions.counters.forwarded, 2)
  t.equal(b!.app.mcpSessions.size, 0)

  for (const connectTo of [connect1, connect2]) {
    const client = await connectTo(t, b!.url)
    t.equal(await client.call('echo', { message: 'hello' }), 'hello')
  }

  const stream = await request(b!.url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  t.equal(stream.statusCode, 200)
  await until('the owner has the stream', () => a!.app.mcpSessions.get(id)!.streams === 1)
  stream.body.on('error', () => {}).destroy()
  await until('the owner learns that the client has left', () => a!.app.mcpSessions.get(id)!.streams === 0)

  t.equal((await send(b!.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })).status, 200)
  t.equal(a!.app.mcpSessions.get(id), undefined, 'ended before the answer')
  const gone = await until('the record has gone', async () => {
    const answer = await inSession(b!.url, id, call('count'))
    return answer.status === 404 ? answer : undefined
  })
  t.match(gone.body, { error: { data: { reason: 'unknown' } } })
})

t.test('a stream whose owner breaks the connection off is opened once more, a call is not', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2)
  const id = await open(a!.url)
  t.equal(text(await inSession(b!.url, id, call('count'))), '1')
  let cut = 0
  a!.app.server.prependListener('request', request => {
    if (cut-- > 0) request.socket.destroy()
  })
  cut = 1
  const stream = await request(b!.url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  t.equal(stream.statusCode, 200)
  await until('the owner has the stream', () => a!.app.mcpSessions.get(id)!.streams === 1)
  stream.body.on('error', () => {}).destroy()
  cut = 1
  const answer = await inSession(b!.url, id, call('count'))
  t.match(answer, { status: 200, body: { error: { data: { reason: 'owner_lost' } } } })
})

t.test('a forwarded call reads nothing from Redis once the owner is known', async t => {
  const keyPrefix = `test:${randomUUID()}:`
  const start = async (id: string): Promise<StartedApp> => startApp(t, {
    redis: connect(t, redis), keyPrefix, node: { id, url: `http://127.0.0.1:${await freePort()}`, heartbeat: 30_000 }
  })
  const [a, b] = [await start('a'), await start('b')]
  const id = await open(a.url)
  await until('b knows the owner', async () => (await inSession(b.url, id, call('count'))).status === 200)
  const commands = await countCommands(redis, async () => {
    for (let i = 0; i < 20; i++) t.equal((await inSession(b.url, id, call('count'))).status, 200)
  }, keyPrefix)
  t.strictSame(commands, [])
})

t.test('another principal is told of nothing, on any node, hop header or not', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2, { orphan: 'adopt', principal: request => request.headers['x-user'] as string | undefined })
  const id = await open(a!.url, { 'x-user': 'ann' })
  t.equal((await inSession(b!.url, id, call('count'), { 'x-user': 'ann' })).status, 200)
  const unknown = `${id.slice(0, 17)}${'A'.repeat(22)}`
  for (const hop of [{}, { 'mcp-sticky-hop': '0123456789abcdef' }]) {
    for (const node of [a!, b!]) {
      const theirs = await inSession(node.url, id, call('count'), { 'x-user': 'bob', ...hop })
      const nobodys = await inSession(node.url, unknown, call('count'), { 'x-user': 'bob', ...hop })
      t.equal(theirs.text, nobodys.text)
      t.equal(theirs.status, nobodys.status)
    }
  }
})

t.test('initialize on a full or closing node is answered by one with room, while there is one', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2, { session: { maxPerNode: 2 } })
  await open(a!.url)
  await open(a!.url)
  const id = await open(a!.url)
  t.ok(b!.app.mcpSessions.get(id), 'the session is on the other node')
  t.equal(text(await inSession(a!.url, id, call('count'))), '1')
  await open(b!.url)
  t.match(await send(a!.url, { body: initialize, headers: { 'mcp-sticky-hop': b!.app.mcpSessions.node.tag } }), { status: 421, body: { error: { data: { reason: 'not_owner' } } } }, 'what another node has passed on it gets back')
  await until('nobody has room, and is known not to', async () => (await send(a!.url, { body: initialize })).status === 503)

  const c = await startNodes(t, 2)
  await c.nodes[0]!.app.mcpSessions.drain()
  t.ok(c.nodes[1]!.app.mcpSessions.get(await open(c.nodes[0]!.url)))
})

t.test('a drained node\'s sessions go on elsewhere, with their state, log level and subscriptions', async t => {
  const adopted: unknown[] = []
  const { nodes: [a, b] } = await startNodes(t, 2, { orphan: 'adopt', onAdopt: ({ sessionId, state, record }) => { adopted.push([sessionId, state, record.node]) } })
  const id = await open(a!.url)
  t.equal((await inSession(a!.url, id, { jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202)
  t.equal((await inSession(a!.url, id, { jsonrpc: '2.0', id: 9, method: 'logging/setLevel', params: { level: 'error' } })).status, 200)
  a!.app.mcpSessions.get(id)!.state = { cart: ['tea'] }
  const { createdAt } = a!.app.mcpSessions.get(id)!
  await a!.app.mcpSessions.drain()
  t.equal(a!.app.mcpSessions.size, 0)
  t.equal(a!.app.mcpSessions.counters.ended.handed_over, 1)

  t.equal(text(await inSession(a!.url, id, call('count'))), '1', 'through the drained node: a fresh server, the same id')
  t.strictSame(adopted, [[id, { cart: ['tea'] }, 'node-0']])
  const session = b!.app.mcpSessions.get(id)!
  t.match(session, { createdAt, protocolVersion: '2025-11-25', state: { cart: ['tea'] }, clientInfo: { name: 'raw', version: '1' } })
  t.match((await b!.app.mcpSessions.list()).sessions.find(record => record.id === id), { node: 'node-1', replay: { logLevel: 'error' } })
  await a!.app.close()
  t.equal(text(await inSession(b!.url, id, call('count'))), '2')
  t.equal(b!.app.mcpSessions.counters.adopted, 1)
})

t.test('app.close() alone hands the sessions over as well', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2, { orphan: 'adopt' })
  const id = await open(a!.url)
  await a!.app.close()
  t.equal(text(await inSession(b!.url, id, call('count'))), '1')
})

t.test('many requests at once adopt a session once', async t => {
  const { nodes: [a, b, c] } = await startNodes(t, 3, { orphan: 'adopt' })
  const id = await open(a!.url)
  await a!.app.close()
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => inSession(i % 2 === 0 ? b!.url : c!.url, id, call('count', {}, i))))
  t.strictSame(answers.map(answer => Number(text(answer))).sort((x, y) => x - y), Array.from({ length: 20 }, (_, i) => i + 1))
  t.equal(b!.app.mcpSessions.counters.adopted + c!.app.mcpSessions.counters.adopted, 1)
})

t.test('an adoption that fails leaves the record, is counted, and is given up after the third', async t => {
  let broken = true
  const { nodes: [a, b], keyPrefix } = await startNodes(t, 2, {
    orphan: 'adopt',
    onAdopt: () => { if (broken) throw new Error('the cart is locked') }
  })
  const ids = [await open(a!.url), await open(a!.url)]
  const before = await connect(t, redis).hgetall(`${keyPrefix}session:${ids[0]!}`)
  await a!.app.close()
  const raw = connect(t, redis)
  const record = (i: number): string => `${keyPrefix}session:${ids[i]!}`
  /** Its pause is over. */
  const later = (i: number): Promise<unknown> => raw.hincrby(record(i), 'adoptionFailedAt', -60_000)
  for (const [failures, pause] of [[1, '5'], [2, '30'], [3, '2']] as const) {
    const answers = [await inSession(b!.url, ids[0]!, call('count'))]
    // A client that tries again at once does not use the attempts up.
    if (failures < 3) for (let i = 0; i < 3; i++) answers.push(await inSession(b!.url, ids[0]!, call('count')))
    for (const answer of answers) t.match(answer, { status: 503, body: { id: 2, error: { data: { reason: 'adoption_failed' } } } })
    t.equal(answers[0]!.headers['retry-after'], pause)
    t.match(await raw.hgetall(record(0)), { node: before['node'], adoptionFailures: String(failures) })
    await later(0)
  }
  t.match(await inSession(b!.url, ids[0]!, call('count')), { status: 404, body: { error: { data: { reason: 'orphaned' } } } })
  t.equal((await inSession(b!.url, ids[1]!, call('count'))).status, 503)
  await later(1)
  broken = false
  t.equal(text(await inSession(b!.url, ids[1]!, call('count'))), '1', 'a later attempt may succeed')
  t.equal(b!.app.mcpSessions.size, 1)
})

t.test('with orphan reject a closed node\'s sessions are gone, as ADR-0066 has it', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2)
  const id = await open(a!.url)
  await a!.app.close()
  t.match(await inSession(b!.url, id, call('count')), { status: 404, body: { error: { data: { reason: 'unknown' } } } })
})

t.test('while Redis is away a misrouted request finds its node by the tag of its id', async t => {
  const own = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  const start = async (id: string): Promise<StartedApp> => startApp(t, {
    redis: connect(t, own), keyPrefix, createServer, node: { id, url: `http://127.0.0.1:${await freePort()}`, heartbeat: 100 }
  })
  // c learns of a by itself, without having been asked for any of its sessions.
  const [b, c, a] = [await start('b'), await start('c'), await start('a')]
  const ids = [await open(a.url), await open(a.url), await open(a.url)]
  await until('b knows a', async () => (await b.app.mcpSessions.nodes().catch(() => [])).length === 3)
  t.equal((await inSession(b.url, ids[0]!, call('count'))).status, 200)
  const client = connect(t, own)
  let beats = 0
  let seen: string | null = null
  await until('c has beaten for a while beside a', async () => {
    const place = await client.hget(`${keyPrefix}members`, 'a')
    if (place !== seen) beats++
    seen = place
    return beats > 20
  })
  await own.kill()
  t.equal(text(await inSession(b.url, ids[0]!, call('count'))), '2', 'a remembered owner')
  t.equal(text(await inSession(b.url, ids[1]!, call('count'))), '1', 'an owner that only the tag names')
  t.equal(text(await inSession(c.url, ids[2]!, call('count'))), '1', 'at a node that had nothing to do with its sessions')
  t.match(await inSession(b.url, `${'0'.repeat(16)}.${'A'.repeat(22)}`, call('count')), { status: 503, body: { error: { data: { reason: 'directory_unavailable' } } } })
})
