// ADR-0066 on two and three nodes that share a Redis, over sockets.
import t from 'tap'
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import fastifyRedis from '@fastify/redis'
import type { McpStickyOptions } from '../../lib/index.ts'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { connect1 } from '../fixtures/clients.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const redis = await startRedis(t)
const HEARTBEAT = 100

interface Cluster { nodes: StartedApp[], keyPrefix: string, keys: () => Promise<string[]> }

/** Nodes of one cluster. They wait until absence in the directory is evidence, so that a test can ask for unknown ids. */
async function startNodes (t: Test, count: number, options: (index: number) => Partial<McpStickyOptions> = () => ({})): Promise<Cluster> {
  const keyPrefix = `test:${randomUUID()}:`
  const nodes: StartedApp[] = []
  for (let i = 0; i < count; i++) {
    const client = connect(t, redis)
    nodes.push(await startApp(t, { redis: client, keyPrefix, node: { id: `node-${i}`, heartbeat: HEARTBEAT }, ...options(i) }))
  }
  for (const { app } of nodes) await until('absence is evidence', async () => app.mcpSessions.locate(`${'0'.repeat(16)}.${'a'.repeat(22)}`).then(() => true, () => false))
  const client = connect(t, redis)
  // But for what became of sessions, which is known for a day.
  const keys = async () => (await client.keys(`${keyPrefix}*`)).map(key => key.slice(keyPrefix.length)).filter(key => !key.startsWith('trail:')).sort()
  return { nodes, keyPrefix, keys }
}

const warned = ({ log }: StartedApp, text: RegExp): number => log.filter(line => line.level === 40 && text.test(line.msg)).length

t.test('the record exists for thirty days, with no transport state in it', async t => {
  const { nodes: [a], keyPrefix } = await startNodes(t, 1, () => ({ principal: () => ({ issuer: 'https://id.example', subject: 'ada' }) }))
  const id = await open(a!.url)
  const client = connect(t, redis)
  const record = await client.hgetall(`${keyPrefix}session:${id}`)
  t.match(record, { node: 'node-0', epoch: /./, protocolVersion: '2025-11-25', principal: '["https://id.example","ada"]', createdAt: /^\d+$/, lastSeenAt: /^\d+$/ })
  t.same(Object.keys(record).sort(), ['clientInfo', 'createdAt', 'epoch', 'lastSeenAt', 'node', 'owner', 'principal', 'protocolVersion', 'reader'])
  const ttl = await client.pttl(`${keyPrefix}session:${id}`)
  t.ok(ttl > 29 * 86_400_000 && ttl <= 30 * 86_400_000, `ttl ${ttl}`)
})

t.test('a misroute is a useful 404, a warn line and a count, and harms nothing', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2)
  const id = await open(a!.url)
  for (const request of [
    { body: call('count', {}, 'c1'), headers: { 'mcp-session-id': id } },
    { method: 'GET' as const, headers: { 'mcp-session-id': id } }
  ]) {
    const answer = await send(b!.url, request)
    t.match(answer, { status: 404, body: { jsonrpc: '2.0', error: { code: -32001, data: { reason: 'misrouted', node: a!.app.mcpSessions.node.tag } } } })
    t.equal(answer.body.id, request.body === undefined ? null : 'c1')
    t.notMatch(answer.text, /node-0|127\.0\.0\.1/, 'no host name, no url')
  }
  t.equal(b!.app.mcpSessions.counters.refused['misrouted'], 2)
  t.equal(warned(b!, /lives on node/), 2)
  t.ok(b!.log.every(line => !JSON.stringify(line).includes(id)), 'an id is a credential: no log line has it whole')
  t.match(await inSession(a!.url, id, call('count')), { status: 200, body: { result: { content: [{ text: '1' }] } } })
})

t.test('has_session: here, elsewhere, orphaned, nowhere', async t => {
  const { nodes: [a, b], keys, keyPrefix } = await startNodes(t, 2)
  const id = await open(a!.url)
  t.equal(await a!.app.mcpSessions.has(id), true)
  t.equal(await b!.app.mcpSessions.has(id), false)
  t.equal(warned(b!, /^mcp session is misrouted/), 1)
  t.match(await b!.app.mcpSessions.locate(id), { status: 'misrouted', node: { id: 'node-0', tag: a!.app.mcpSessions.node.tag } })
  t.same(await a!.app.mcpSessions.locate(id), { status: 'local', node: { id: 'node-0', tag: a!.app.mcpSessions.node.tag } })

  const unknown = `${a!.app.mcpSessions.node.tag}.${'x'.repeat(22)}`
  t.equal(await b!.app.mcpSessions.has(unknown), false)
  t.same(await b!.app.mcpSessions.locate(unknown), { status: 'unknown' })
  t.equal(b!.log.filter(line => line.level === 20 && /session is unknown/.test(line.msg)).length, 1)

  const dead = await startNodeProcess(t, { redis: redis.url, keyPrefix, node: { id: 'dead', heartbeat: HEARTBEAT } })
  const lost = await open(dead.url)
  t.equal((await inSession(a!.url, lost, call('count'))).body.error.data.reason, 'misrouted')
  dead.kill()
  await until('its session is an orphan', async () => (await a!.app.mcpSessions.locate(lost)).status === 'orphaned')
  t.equal(await a!.app.mcpSessions.has(lost), false)
  t.equal(warned(a!, /^mcp session is orphaned/), 1)
  t.match(await inSession(a!.url, lost, call('count')), { status: 404, body: { id: 2, error: { code: -32001, data: { reason: 'orphaned' } } } })
  t.ok((await keys()).includes(`session:${lost}`), 'the record is left to the sweeper')
})

t.test('an unknown id is a 404 with another reason; ids that cannot be ours too', async t => {
  const { nodes: [a] } = await startNodes(t, 1)
  for (const id of [`${'1'.repeat(16)}.${'b'.repeat(22)}`, '5f0c5f9e-7d52-4f5e-9a39-8f1f5a0f6f0b', 'x', 'a,b', 'x'.repeat(129), '!~'.repeat(5000)]) {
    const unknown = { status: 404, body: { error: { code: -32001, data: { reason: 'unknown' } } } }
    t.match(await inSession(a!.url, id, call('count')), unknown, id)
    for (const method of ['GET', 'DELETE'] as const) t.match(await send(a!.url, { method, headers: { 'mcp-session-id': id } }), unknown, `${method} ${id}`)
    t.match(await inSession(a!.url, id, initialize), { status: 200, headers: { 'mcp-session-id': /./ } }, `initialize with ${id}`)
  }
  t.match(await inSession(a!.url, '', call('count')), { status: 400, body: { error: { data: { reason: 'session_required' } } } }, 'an empty field is none')
  t.match(await inSession(a!.url, '', initialize), { status: 200, headers: { 'mcp-session-id': /./ } })
  for (const id of ['a b', 'é']) {
    t.match(await inSession(a!.url, Buffer.from(id).toString('latin1'), call('count')), { status: 400, body: { error: { data: { reason: 'session_malformed' } } } }, id)
  }
  const twice = await send(a!.url, { body: call('count'), headers: { 'mcp-session-id': ['one', 'two'] } })
  t.match(twice, { status: 400, body: { error: { data: { reason: 'session_malformed' } } } })
})

t.test('initialize with a stale id opens a new session; with a live one it is refused', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2)
  const id = await open(a!.url)
  t.match(await inSession(a!.url, id, initialize), { status: 400, body: { id: 1, error: { code: -32600, data: { reason: 'already_initialized' } } } })
  const other = await inSession(b!.url, id, initialize)
  t.equal(other.status, 200)
  t.ok(String(other.headers['mcp-session-id']).startsWith(b!.app.mcpSessions.node.tag))
})

t.test('DELETE on the wrong node ends the session on its own', async t => {
  const { nodes: [a, b], keys } = await startNodes(t, 2)
  const id = await open(a!.url)
  const stays = await open(a!.url)
  t.equal((await send(b!.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })).status, 200)
  t.notOk((await keys()).includes(`session:${id}`))
  await until('the owner has ended it', () => a!.app.mcpSessions.get(id) === undefined)
  t.equal(a!.app.mcpSessions.counters.ended.requested_elsewhere, 1)
  t.equal((await inSession(a!.url, id, call('count'))).body.error.data.reason, 'unknown')
  t.equal((await inSession(a!.url, stays, call('count'))).status, 200)
  await until('the close set is empty', async () => !(await keys()).includes('node:node-0:close'))
})

t.test('a session answers to its principal alone, on every node and with every verb', async t => {
  const { nodes: [a, b], keys } = await startNodes(t, 2, () => ({ principal: request => request.headers.authorization }))
  const ada = { authorization: 'ada' }
  const bob = { authorization: 'bob' }
  const id = await open(a!.url, ada)
  const unknown = `${a!.app.mcpSessions.node.tag}.${'x'.repeat(22)}`
  for (const { url } of [a!, b!]) {
    for (const method of ['POST', 'GET', 'DELETE'] as const) {
      const body = method === 'POST' ? call('count') : undefined
      for (const who of [bob, {}]) {
        const foreign = await send(url, { method, body, headers: { 'mcp-session-id': id, ...who } })
        const nobody = await send(url, { method, body, headers: { 'mcp-session-id': unknown, ...who } })
        t.equal(foreign.status, 404)
        t.equal(foreign.text, nobody.text, `${method} answers as for an unknown id`)
      }
    }
  }
  t.ok((await keys()).includes(`session:${id}`))
  t.equal((await inSession(a!.url, id, call('count'), ada)).status, 200)
  t.equal((await inSession(b!.url, id, call('count'), ada)).body.error.data.reason, 'misrouted')
})

t.test('list pages through every node\'s sessions, close ends them anywhere', async t => {
  const { nodes, keys } = await startNodes(t, 3, () => ({ principal: request => request.headers.authorization }))
  const ids = new Map<string, string>()
  for (let i = 0; i < 24; i++) {
    const who = `user-${i % 4}`
    ids.set(await open(nodes[i % 3]!.url, { authorization: who }), who)
  }
  const [a] = nodes
  const seen = new Map<string, string | undefined>()
  let cursor: string | undefined
  let pages = 0
  do {
    const page = await a!.app.mcpSessions.list({ limit: 5, ...(cursor !== undefined && { cursor }) })
    t.ok(page.sessions.length <= 5)
    for (const session of page.sessions) seen.set(session.id, session.node)
    cursor = page.cursor
    pages++
  } while (cursor !== undefined)
  t.same([...seen.keys()].sort(), [...ids.keys()].sort())
  t.equal(new Set(seen.values()).size, 3)
  t.ok(pages >= 5)
  await t.rejects(a!.app.mcpSessions.list({ cursor: 'nonsense' }), { code: 'MCP_STICKY_ERR_OPTION' })
  await t.rejects(a!.app.mcpSessions.list({ limit: 0 }), { code: 'MCP_STICKY_ERR_OPTION' })

  t.equal(await a!.app.mcpSessions.close({ principal: 'user-1' }), 6)
  await until('they are gone on every node', () => nodes.reduce((sum, { app }) => sum + app.mcpSessions.size, 0) === 18)
  const elsewhere = [...ids.keys()].find(id => !a!.app.mcpSessions.get(id) && ids.get(id) !== 'user-1')!
  t.equal(await a!.app.mcpSessions.close(elsewhere), 1)
  await until('it is gone', () => nodes.reduce((sum, { app }) => sum + app.mcpSessions.size, 0) === 17)
  // For a moment after a late beat nobody can say that there is no such session.
  const again = await until('it can say', () => a!.app.mcpSessions.close(elsewhere).then(String, error => {
    if (error.code !== 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE') throw error
    return undefined
  }))
  t.equal(again, '0')
  t.equal((await keys()).filter(key => key.startsWith('session:')).length, 17)
})

t.test('onClose cleans this node\'s records and no others, whatever the servers do', async t => {
  const misbehave = (): any => {
    let closes = 0
    return {
      connect: async (transport: any) => {
        transport.onmessage = (message: any) => transport.send({ jsonrpc: '2.0', id: message.id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } } })
      },
      close: () => { if (closes++ % 2 === 0) throw new Error('will not close'); return new Promise(() => {}) }
    }
  }
  const hang = (): any => ({ ...misbehave(), close: () => new Promise(() => {}) })
  const { nodes: [a, b], keys, keyPrefix } = await startNodes(t, 2, index => index === 0 ? { createServer: () => Math.random() < 0.5 ? misbehave() : hang() } : {})
  for (let i = 0; i < 20; i++) await open(a!.url)
  const stays = await open(b!.url)
  const client = connect(t, redis)
  await a!.app.close()
  t.same((await keys()).filter(key => !key.startsWith('node:node-1')), ['loads', 'members', 'secret', `session:${stays}`])
  t.equal(await client.hexists(`${keyPrefix}members`, 'node-0'), 0, 'nor its place')
  t.equal((await inSession(b!.url, stays, call('count'))).status, 200)
})

t.test('with @fastify/redis, registered first, Redis is cleaned before the client quits', async t => {
  const keyPrefix = `test:${randomUUID()}:`
  const named = await startApp(t, { redis: 'sessions', keyPrefix }, { before: async app => { await app.register(fastifyRedis, { url: redis.url, namespace: 'sessions' }) } })
  const plain = await startApp(t, { keyPrefix, node: { id: 'plain' } }, { before: async app => { await app.register(fastifyRedis, { url: redis.url }) } })
  const client = connect(t, redis)
  for (const { app, url } of [named, plain]) {
    const id = await open(url)
    t.equal(await client.exists(`${keyPrefix}session:${id}`), 1)
    await app.close()
    t.equal(await client.exists(`${keyPrefix}session:${id}`), 0)
  }
  const left = (await client.keys(`${keyPrefix}*`)).filter(key => !key.startsWith(`${keyPrefix}trail:`))
  t.same(left, [`${keyPrefix}secret`], 'what nodes prove themselves with is for those to come')
})

t.test('a second live node of the same id or url does not start', async t => {
  const url = `http://127.0.0.1:${await freePort()}`
  const { nodes: [a], keyPrefix } = await startNodes(t, 1, () => ({ node: { id: 'one', url, heartbeat: HEARTBEAT } }))
  for (const node of [{ id: 'one', heartbeat: HEARTBEAT }, { id: 'two', url, heartbeat: HEARTBEAT }]) {
    await t.rejects(startApp(t, { redis: connect(t, redis), keyPrefix, node }), { code: 'MCP_STICKY_ERR_NODE_DUPLICATE' })
  }
  t.equal((await send(a!.url, { body: initialize })).status, 200)
})

t.test('real clients on two nodes keep their own sessions', async t => {
  const { nodes: [a, b] } = await startNodes(t, 2)
  const one = await connect1(t, a!.url)
  const two = await connect1(t, b!.url)
  t.equal(await one.call('count'), '1')
  t.equal(await two.call('count'), '1')
  t.equal(await one.call('count'), '2')
  t.equal((await a!.app.mcpSessions.list()).sessions.length, 2)
  t.match((await b!.app.mcpSessions.list()).sessions.find(session => session.id === one.sessionId()), { node: 'node-0', clientInfo: { name: 'test-client', version: '1.2.3' } })
})
