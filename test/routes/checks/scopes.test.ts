// What a server of SDK 2.x declares as the scopes that its tools, prompts and resources take holds in both eras, as with the SDK's own transports.
import { createMcpHandler, McpServer, requireScopes, ResourceTemplate, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server'
import t from 'tap'
import { z } from 'zod'
import type { AuthInfo, McpStickyOptions } from '../../../lib/index.ts'
import { startApp } from '../../fixtures/app.ts'
import { startCluster } from '../../fixtures/cluster.ts'
import { call, initialize, inSession, open, send } from '../../fixtures/http.ts'
import type { Answer } from '../../fixtures/http.ts'
import { startRedis } from '../../fixtures/redis.ts'
import { createServer2 } from '../../fixtures/session-server.ts'
import { ask, callTool, modern } from '../../fixtures/stateless.ts'
import { until } from '../../fixtures/until.ts'

const WRITE = requireScopes('notes:write')
const url = (path: string): URL => new URL(path, 'https://mcp.example.com')
/** By the bearer token of a request. */
const TOKENS: Record<string, AuthInfo> = {
  reader: { token: 'reader', clientId: 'c', scopes: ['notes:read'], resource: url('/mcp') },
  writer: { token: 'writer', clientId: 'c', scopes: ['notes:read', 'notes:write'], resourceMetadataUrl: url('/described').href }
}
const authInfo = ({ headers }: { headers: Record<string, unknown> }): AuthInfo | undefined => TOKENS[String(headers['authorization']).slice('Bearer '.length)]
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** `ran`: the handlers that were entered. */
function server (ran: string[] = []): McpServer {
  const server = createServer2()
  const text = (name: string) => {
    ran.push(name)
    return { content: [{ type: 'text' as const, text: name }] }
  }
  server.registerTool('read', {}, async () => text('read'))
  server.registerTool('write', { scopeChallenge: WRITE }, async () => text('write'))
  server.registerTool('later', { scopeChallenge: async context => WRITE(context) }, async () => text('later'))
  server.registerTool('fails', { scopeChallenge: () => { throw new Error('on purpose') } }, async () => text('fails'))
  server.registerPrompt('prompt', { scopeChallenge: WRITE }, async () => ({ messages: [{ role: 'user', content: text('prompt').content[0]! }] }))
  server.registerResource('fixed', 'test://fixed', { scopeChallenge: WRITE }, async uri => ({ contents: [{ uri: uri.href, text: text('fixed').content[0]!.text }] }))
  server.registerResource('any', new ResourceTemplate('test://any/{id}', { list: undefined }), { scopeChallenge: WRITE }, async uri => ({ contents: [{ uri: uri.href, text: text('any').content[0]!.text }] }))
  server.registerTool('typed', { inputSchema: z.object({ note: z.string() }), scopeChallenge: WRITE }, async () => text('typed'))
  return server
}

/** What takes the scope, as a request. */
const GUARDED: Array<[string, Record<string, unknown>]> = [
  ['tools/call', { name: 'write', arguments: {} }],
  ['tools/call', { name: 'later', arguments: {} }],
  ['tools/call', { name: 'typed', arguments: {} }],
  ['prompts/get', { name: 'prompt' }],
  ['resources/read', { uri: 'test://fixed' }],
  ['resources/read', { uri: 'test://any/7' }]
]
const SCOPE = { status: 403, body: { error: { code: -32000, data: { reason: 'scope_insufficient' } } } }
const header = ({ headers }: Answer): unknown => headers['www-authenticate']

const kinds: Record<string, (ran: string[]) => NonNullable<McpStickyOptions['stateless']>> = {
  shared: ran => ({ servers: 'shared', createServer: () => server(ran) }),
  each: ran => ({ createServer: () => server(ran) })
}

for (const [kind, stateless] of Object.entries(kinds)) {
  t.test(`without a session, ${kind}: what createMcpHandler says is said, and no handler is entered`, async t => {
    const ran: string[] = []
    const { url, app } = await startApp(t, { authInfo, stateless: stateless(ran) })
    const handler = createMcpHandler(() => server())
    t.teardown(() => handler.close())
    for (const [method, params] of GUARDED) {
      const { body, headers } = modern(method, params)
      const theirs = await handler.fetch(new Request('http://127.0.0.1/mcp', { method: 'POST', body: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' } }), { authInfo: TOKENS['reader']! })
      const ours = await ask(url, method, params, { headers: bearer('reader') })
      t.strictSame([ours.status, header(ours)], [theirs.status, theirs.headers.get('www-authenticate')], JSON.stringify(params))
      t.match(ours, SCOPE)
    }
    t.strictSame(ran, [])
    t.match(await callTool(url, 'fails', {}, { headers: bearer('writer') }), { status: 500, body: { error: { code: -32603, data: { reason: 'auth_failed' } } } })
    t.match(app.mcpSessions.counters.refused, { scope_insufficient: GUARDED.length, auth_failed: 1 })
    t.match(await callTool(url, 'read', {}, { headers: bearer('reader') }), { status: 200 })
    for (const [method, params] of GUARDED) if (params['name'] !== 'typed') t.match(await ask(url, method, params, { headers: bearer('writer') }), { status: 200 }, JSON.stringify(params))
    t.strictSame(ran, ['read', 'write', 'later', 'prompt', 'fixed', 'any'])
  })
}

t.test('in a session: what the SDK\'s transport says is said, and no handler is entered', async t => {
  const ran: string[] = []
  const { url, app } = await startApp(t, { authInfo, createServer: () => server(ran) })
  const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => 'theirs', enableJsonResponse: true })
  const other = server()
  t.teardown(() => other.close())
  await other.connect(transport)
  const post = async (body: object, headers: Record<string, string> = {}): Promise<Response> => transport.handleRequest(new Request('http://127.0.0.1/mcp', {
    method: 'POST', body: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  }), { authInfo: TOKENS['reader']! })
  await post(initialize)
  const id = await open(url, bearer('reader'))
  for (const [method, params] of GUARDED) {
    const message = { jsonrpc: '2.0', id: 7, method, params }
    const theirs = await post(message, { 'mcp-session-id': 'theirs' })
    const ours = await inSession(url, id, message, bearer('reader'))
    t.strictSame([ours.status, header(ours)], [theirs.status, theirs.headers.get('www-authenticate')], JSON.stringify(params))
    t.match(ours, { ...SCOPE, body: { ...SCOPE.body, id: 7 } })
  }
  t.strictSame(ran, [])
  t.match(await inSession(url, id, call('fails'), bearer('writer')), { status: 500, body: { error: { data: { reason: 'auth_failed' } } } })
  t.match(app.mcpSessions.counters.refused, { scope_insufficient: GUARDED.length, auth_failed: 1 })
  for (const name of ['write', 'later']) t.match(await inSession(url, id, call(name), bearer('writer')), { status: 200, body: { result: { content: [{ text: name }] } } })
  t.match(await inSession(url, id, call('read'), bearer('reader')), { status: 200 })
})

t.test('of a batch with one request that takes more, nothing runs', async t => {
  const ran: string[] = []
  const { url } = await startApp(t, { authInfo, createServer: () => server(ran) })
  const opened = await send(url, { body: { ...initialize, params: { ...initialize.params, protocolVersion: '2025-03-26' } }, headers: bearer('reader') })
  const id = opened.headers['mcp-session-id'] as string
  const answer = await inSession(url, id, [call('read', {}, 1), call('write', {}, 2)], bearer('reader'))
  t.match([answer.status, answer.body.map(({ id, error }: any) => [id, error.data.reason])], [403, [[1, 'scope_insufficient'], [2, 'scope_insufficient']]])
  t.strictSame(ran, [])
  t.equal((await inSession(url, id, [call('read', {}, 1)], bearer('reader'))).status, 200)
})

t.test('through another node, and after a wait in which the session moved', async t => {
  const gate: Array<() => void> = []
  const [a, b] = await startCluster(t, await startRedis(t), ['a', 'b'], () => ({
    authInfo,
    orphan: 'adopt',
    drain: { grace: 0 },
    node: { heartbeat: 200 },
    createServer: () => {
      const made = server()
      made.registerTool('gated', { scopeChallenge: () => new Promise(resolve => { gate.push(() => resolve(undefined)) }) }, async () => ({ content: [{ type: 'text', text: 'gated' }] }))
      return made
    }
  }), { fastify: { return503OnClosing: false } })
  const id = await open(a.url, bearer('reader'))
  const denied = await inSession(b.url, id, call('write'), bearer('reader'))
  t.match(denied, SCOPE)
  t.match(header(denied), /^Bearer error="insufficient_scope"/)
  const gated = inSession(a.url, id, call('gated'), bearer('writer'))
  await until('the server thinks about it', () => gate.length === 1)
  await a.app.mcpSessions.drain()
  t.equal(a.app.mcpSessions.size, 0, 'the session was given up meanwhile')
  gate[0]!()
  await until('the other node asks its own server', () => gate.length === 2)
  gate[1]!()
  t.match(await gated, { status: 200, body: { result: { content: [{ text: 'gated' }] } } })
  t.equal(b.app.mcpSessions.size, 1)
})
