// Two endpoints in one application: apart on every way to a session, on one node and on several.
import t from 'tap'
import type { Test } from 'tap'
import mcpSticky from '../../lib/index.ts'
import type { McpStickyOptions } from '../../lib/index.ts'
import { askOwner } from '../../lib/affinity/evidence/owner-question.ts'
import { askToTake } from '../../lib/affinity/evidence/take-question.ts'
import { Proofs } from '../../lib/security/proofs.ts'
import { newSessionId } from '../../lib/session-id.ts'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { startCluster } from '../fixtures/cluster.ts'
import type { NodeOptions } from '../fixtures/cluster.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import type { Answer } from '../fixtures/http.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { createServer } from '../fixtures/session-server.ts'
import { callTool, newSeen, statelessServer } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'

const server = await startRedis(t)

/** Of the endpoint `admin`, whose callers say who they are. */
const ADMIN: McpStickyOptions = {
  name: 'admin',
  path: '/mcp/admin',
  createServer,
  principal: request => request.headers['x-user'] as string | undefined
}
const adminOf = ({ url }: Pick<StartedApp, 'url'>): string => `${url}/admin`

/** Nodes with both endpoints, but for those in `without`, which have the default one alone. */
async function startNodes<const Ids extends readonly string[]> (t: Test, ids: Ids, options: NodeOptions = {}, without: readonly string[] = []) {
  return startCluster(t, server, ids, (id: string) => ({ orphan: 'adopt', drain: { grace: 0 }, ...options, ...{ node: { heartbeat: 200 } }, ...!without.includes(id) && { also: [ADMIN] } }), { fastify: { return503OnClosing: false } })
}

/** What an answer says but for what differs with every answer. */
const told = ({ status, text, headers: { date: _date, ...headers } }: Answer): object => ({ status, text, headers })

/** An answer once it is none of a node that cannot say: a busy machine has it doubt what it knows. */
async function settled (ask: () => Promise<Answer>): Promise<Answer> {
  return until('it can say', async () => {
    const answer = await ask()
    return answer.status === 503 ? undefined : answer
  })
}

const count = call('count')
/** All ways in which a client can ask for a session. */
const WAYS: Record<string, (url: string, id: string, headers: Record<string, string>) => Promise<Answer>> = {
  POST: (url, id, headers) => inSession(url, id, count, headers),
  'POST of a notification': (url, id, headers) => inSession(url, id, { jsonrpc: '2.0', method: 'notifications/initialized' }, headers),
  'POST of a batch': (url, id, headers) => inSession(url, id, [count], headers),
  GET: (url, id, headers) => send(url, { method: 'GET', headers: { 'mcp-session-id': id, ...headers } }),
  'GET after an event': (url, id, headers) => send(url, { method: 'GET', headers: { 'mcp-session-id': id, 'last-event-id': 'a', ...headers } }),
  DELETE: (url, id, headers) => send(url, { method: 'DELETE', headers: { 'mcp-session-id': id, ...headers } })
}

/** Asserts that on these nodes, in every way, a session is to the other endpoint what no session is. */
async function areApart (t: Test, nodes: readonly StartedApp[], { ofDefault, ofAdmin }: { ofDefault: string, ofAdmin: string }): Promise<void> {
  const likeOf = (id: string): string => newSessionId(id.slice(0, 16))
  for (const node of nodes) {
    const name = node.app.mcpSessions.node.id
    for (const [way, ask] of Object.entries(WAYS)) {
      for (const [what, url, id, headers] of [
        ['a session of admin, at the default endpoint', node.url, ofAdmin, {}],
        ['a session of admin, at the default endpoint, as its user', node.url, ofAdmin, { 'x-user': 'root' }],
        ['a session of the default endpoint, at admin', adminOf(node), ofDefault, {}],
        ['a session of the default endpoint, at admin, as somebody', adminOf(node), ofDefault, { 'x-user': 'root' }]
      ] as const) {
        for (const more of [{}, { 'mcp-sticky-hop': '0123456789abcdef' }, { 'mcp-sticky-hop': '0123456789abcdef', 'mcp-sticky-endpoint': url === node.url ? 'default' : 'admin' }]) {
          const [theirs, nobodys] = [await settled(() => ask(url, id, { ...headers, ...more })), await settled(() => ask(url, likeOf(id), { ...headers, ...more }))]
          t.strictSame(told(theirs), told(nobodys), `${name}: ${way} ${what} ${JSON.stringify(more)}`)
          t.match(theirs.status, 'mcp-sticky-hop' in more ? 421 : 404)
        }
      }
    }
    const { mcpSessions } = node.app
    const admin = mcpSessions.endpoint('admin')
    for (const [face, id] of [[mcpSessions, ofAdmin], [admin, ofDefault]] as const) {
      t.equal(face.get(id), undefined)
      t.equal(await face.has(id), false)
      t.strictSame(await face.locate(id), { status: 'unknown' })
      t.equal(await face.close(id), 0)
      t.notOk((await face.list()).sessions.some(session => session.id === id))
    }
    t.equal(await mcpSessions.close({ principal: 'root' }), 0, 'another endpoint\'s root is somebody else')
  }
}

async function openBoth (node: StartedApp): Promise<{ ofDefault: string, ofAdmin: string }> {
  return { ofDefault: await open(node.url), ofAdmin: await open(adminOf(node), { 'x-user': 'root' }) }
}

/** Both still answer to those who opened them, on every node. */
async function areWell (t: Test, nodes: readonly StartedApp[], { ofDefault, ofAdmin }: { ofDefault: string, ofAdmin: string }): Promise<void> {
  for (const node of nodes) {
    t.match(await settled(() => inSession(node.url, ofDefault, count)), { status: 200, body: { result: {} } })
    t.match(await settled(() => inSession(adminOf(node), ofAdmin, count, { 'x-user': 'root' })), { status: 200, body: { result: {} } })
  }
}

t.test('one node, in memory', async t => {
  const node = await startApp(t, { also: [ADMIN] })
  const both = await openBoth(node)
  await areApart(t, [node], both)
  await areWell(t, [node], both)
  const { mcpSessions } = node.app
  t.strictSame([mcpSessions.name, mcpSessions.size, mcpSessions.endpoint('admin').size, mcpSessions.counters.opened, mcpSessions.endpoint('admin').counters.opened], ['default', 1, 1, 1, 1])
  t.equal(mcpSessions.endpoint('default'), mcpSessions)
  t.throws(() => mcpSessions.endpoint('other'), { code: 'MCP_STICKY_ERR_OPTION', message: /default, admin/ })
  t.match(await send(adminOf(node), { body: initialize, headers: { 'mcp-session-id': both.ofDefault, 'x-user': 'root' } }), { status: 200 }, 'initialize with another endpoint\'s id is a new session')
  t.match(await send(adminOf(node), { body: initialize, headers: { 'mcp-session-id': both.ofAdmin, 'x-user': 'root' } }), { status: 400, body: { error: { data: { reason: 'already_initialized' } } } })
  t.equal(await mcpSessions.endpoint('admin').close({ principal: 'root' }), 2)
  t.equal(mcpSessions.size, 1)
})

t.test('two nodes that forward and adopt: local, misrouted, orphaned, adopted', async t => {
  const nodes = await startNodes(t, ['a', 'b'])
  const [a, b] = nodes
  const both = await openBoth(a)
  await areWell(t, nodes, both)
  await areApart(t, nodes, both)
  await areWell(t, nodes, both)
  t.strictSame(Object.keys((await b.app.mcpSessions.nodes())[0]!.endpoints), ['default', 'admin'])
  await a.app.mcpSessions.drain()
  await areApart(t, [b], both)
  await a.app.close()
  await areApart(t, [b], both)
  await areWell(t, [b], both)
  t.strictSame([b.app.mcpSessions.counters.adopted, b.app.mcpSessions.endpoint('admin').counters.adopted], [1, 1])
  await areApart(t, [b], both)
})

t.test('a node without an endpoint is no heir of its sessions, and none is sent there', async t => {
  const [a, b, c] = await startNodes(t, ['a', 'b', 'c'], {}, ['b'])
  const both = await openBoth(a)
  t.match(await settled(() => inSession(b.url, both.ofAdmin, count, { 'x-user': 'root' })), { status: 404, body: { error: { data: { reason: 'unknown' } } } })
  await a.app.close()
  t.match(await settled(() => inSession(b.url, both.ofDefault, count)), { status: 200 })
  t.match(await settled(() => inSession(b.url, both.ofAdmin, count)), { status: 404, body: { error: { data: { reason: 'unknown' } } } })
  t.match(await settled(() => inSession(adminOf(c), both.ofAdmin, count, { 'x-user': 'root' })), { status: 200, body: { result: {} } })
  t.match([b.app.mcpSessions.counters.adopted + c.app.mcpSessions.counters.adopted, c.app.mcpSessions.endpoint('admin').counters.adopted], [1, 1])
  const ofB = await open(b.url)
  t.match(told(await settled(() => inSession(adminOf(c), ofB, count, { 'x-user': 'root' }))), told(await settled(() => inSession(adminOf(c), newSessionId(ofB.slice(0, 16)), count, { 'x-user': 'root' }))))
})

t.test('limits are of each endpoint', async t => {
  const node = await startApp(t, { session: { maxPerNode: 1 }, also: [{ ...ADMIN, session: { maxPerNode: 5, maxPerPrincipal: 1 } }] })
  await openBoth(node)
  t.match(await send(node.url, { body: initialize }), { status: 503, body: { error: { data: { reason: 'node_full' } } } })
  t.match(await send(adminOf(node), { body: initialize, headers: { 'x-user': 'root' } }), { status: 429 })
  t.match(await send(adminOf(node), { body: initialize }), { status: 200 })
  t.match(await send(adminOf(node), { body: initialize }), { status: 200 }, 'anonymous callers have no share')
  t.strictSame([node.app.mcpSessions.counters.refused['node_full'], node.app.mcpSessions.endpoint('admin').counters.refused['principal_limit']], [1, 1])
  const lines = ['node_full', 'principal_limit'].map(refused => node.log.find(({ reason }) => reason === refused))
  t.match(lines, [{ reason: 'node_full', endpoint: 'default' }, { reason: 'principal_limit', endpoint: 'admin' }], 'and the line of a refusal says which it is')
})

t.test('anonymous callers of another endpoint are not one caller: their calls without sessions have no limit', async t => {
  const seen = newSeen()
  const node = await startApp(t, { also: [{ ...ADMIN, stateless: { servers: 'shared', createServer: () => statelessServer(seen), maxPerPrincipal: 1 } }] })
  const waits = ['one', 'two'].map(name => callTool(adminOf(node), 'wait', { name }))
  await until('both wait', () => seen.begun.size === 2)
  const root = { headers: { 'x-user': 'root' } }
  const his = callTool(adminOf(node), 'wait', { name: 'his' }, root)
  await until('his waits', () => seen.begun.has('his'))
  t.match(await callTool(adminOf(node), 'echo', { message: 'x' }, root), { status: 429, body: { error: { data: { reason: 'call_limit' } } } })
  for (const release of seen.release.values()) release()
  t.strictSame((await Promise.all([...waits, his])).map(({ status }) => status), [200, 200, 200])
})

t.test('what is of the node is said once', async t => {
  const options = (more: object): object => ({ ...ADMIN, ...more })
  for (const [field, more, same] of [
    ['node.id', { node: { id: 'other' } }, { node: { id: 'a' } }],
    ['node.url', { node: { url: 'http://127.0.0.1:1' } }, {}],
    ['node.heartbeat', { node: { heartbeat: 999 } }, { node: { heartbeat: 2000 } }],
    ['keyPrefix', { keyPrefix: 'other:' }, { keyPrefix: 'mcp:' }],
    ['drain.grace', { drain: { grace: 1 } }, { drain: { grace: 0 } }],
    ['session.ttl', { session: { ttl: 999_999 } }, {}],
    ['stream.maxBuffered', { stream: { maxBuffered: 9 } }, {}],
    ['redis', { redis: connect(t, server) }, {}]
  ] as const) {
    const first = { node: { id: 'a' }, drain: { grace: 0 } }
    await t.rejects(startApp(t, { ...first, also: [options(more) as McpStickyOptions] }), { code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(`\`${field}\`.*default`) }, field)
    await t.resolves(startApp(t, { ...first, also: [options(same) as McpStickyOptions] }))
  }
  await t.rejects(startApp(t, { also: [{ createServer, path: '/other' }] }), { code: 'MCP_STICKY_ERR_ALREADY_REGISTERED', message: /"default"/ })
  await t.rejects(startApp(t, { also: [{ createServer, name: 'other', path: '/mcp' }] }), { code: 'MCP_STICKY_ERR_ALREADY_REGISTERED', message: /at \/mcp/ })
  for (const name of ['', 'A', 'a b', 'a'.repeat(33), 'ä', 7]) await t.rejects(startApp(t, { also: [{ ...ADMIN, name: name as string }] }), { code: 'MCP_STICKY_ERR_OPTION', message: /`name`/ })
})

t.test('contexts of one application that are siblings share the node', async t => {
  const { app, url } = await startApp(t, { name: 'main', path: '/main' }, {
    before: app => {
      app.register(async scope => {
        scope.get('/size', async () => scope.mcpSessions.size)
        await scope.register(mcpSticky, { ...ADMIN, path: '/mcp' })
      }, { prefix: '/scope' })
    }
  })
  const origin = new URL(url).origin
  await open(`${origin}/scope/mcp`)
  const { mcpSessions } = app
  t.strictSame([(await mcpSessions.nodes()).length, mcpSessions.endpoint('main').size, mcpSessions.endpoint('admin').size], [1, 0, 1])
})

t.test('one identity, one set of internal paths', async t => {
  const node = await startApp(t, { also: [ADMIN] })
  t.match(await send(new URL('/mcp-sticky/ready', node.url).href, { method: 'GET' }), { status: 200 })
  t.equal(await node.app.mcpSessions.endpoint('admin').drain(), await node.app.mcpSessions.drain())
})

t.test('what one node asks another names the endpoint', async t => {
  const [a, b] = await startNodes(t, ['a', 'b'], { keyPrefix: 'asked:' }, ['b'])
  const both = await openBoth(a)
  const proofs = new Proofs('test')
  proofs.learn(await connect(t, server).get('asked:secret'))
  const holds = async (id: string, endpoint: string): Promise<boolean> => {
    const said = await askOwner(proofs, { url: new URL(a.url).origin, ids: [id], unrecorded: true, endpoint, old: false })
    return said.said === 'proven' && id in said.held
  }
  t.strictSame([await holds(both.ofDefault, 'default'), await holds(both.ofAdmin, 'admin')], [true, true])
  t.strictSame([await holds(both.ofDefault, 'admin'), await holds(both.ofAdmin, 'default'), await holds(both.ofAdmin, 'other')], [false, false, false])
  const takes = (node: StartedApp, endpoint: string): Promise<boolean> => askToTake(proofs, new URL(node.url).origin, [newSessionId('0'.repeat(16))], endpoint)
  t.strictSame([await takes(a, 'default'), await takes(a, 'admin'), await takes(a, 'other'), await takes(b, 'default'), await takes(b, 'admin')], [true, true, false, true, false])

  for (const [url, endpoint, status] of [[a.url, 'default', 200], [adminOf(a), 'admin', 200], [a.url, 'admin', 421], [adminOf(a), 'default', 421], [a.url, 'other', 421]] as const) {
    const hop = { url: new URL(url).origin, id: '' }
    const proof = proofs.make({ purpose: 'hop', url: hop.url, method: 'POST', sessions: [''] })!
    const answer = await send(url, { body: initialize, headers: { 'mcp-sticky-hop': '0'.repeat(16), 'mcp-sticky-endpoint': endpoint, 'mcp-sticky-proof': proof } })
    t.equal(answer.status, status, `${url} ${endpoint}`)
    t.equal(answer.headers['mcp-sticky-proof'] !== undefined, endpoint !== 'other', 'a receipt is for an endpoint that is here')
  }
})
