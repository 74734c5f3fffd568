// Metrics of whole applications, as Prometheus gets them.
import { channel } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { RouteOptions } from 'fastify'
import { Counter, Registry } from 'prom-client'
import type { OpenMetricsContentType } from 'prom-client'
import t from 'tap'
import type { Test } from 'tap'
import { request } from 'undici'
import { FORMAT } from '../../lib/format.ts'
import { mcpSticky } from '../../lib/index.ts'
import { mcpStickyMetrics } from '../../lib/metrics/index.ts'
import type { McpStickyMetricsOptions } from '../../lib/metrics/index.ts'
import { startApp } from '../fixtures/app.ts'
import type { AppOptions, StartedApp, StartOptions } from '../fixtures/app.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { promtool, scrape } from '../fixtures/scrape.ts'
import { createServer } from '../fixtures/session-server.ts'
import { callTool, statelessServer } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'
import { waitingCall } from '../fixtures/waiting-call.ts'

const OPERATIONS = 'mcp_server_operation_duration_seconds_count'
const ADMIN = { name: 'admin', path: '/mcp/admin', createServer }
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))

/** An application with metrics. */
async function startMetered (t: Test, options: AppOptions = {}, metrics: McpStickyMetricsOptions = {}, more: StartOptions = {}): Promise<StartedApp> {
  return startApp(t, options, { ...more, after: app => app.register(mcpStickyMetrics, metrics) })
}

/** What register says of these options. */
async function refusal (t: Test, options: object): Promise<unknown> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer })
  return Promise.resolve(app.register(mcpStickyMetrics, options)).then(() => undefined, error => error)
}

t.test('a scrape says what was done, and promtool finds no fault with it', async t => {
  const { url } = await startMetered(t, { also: [{ ...ADMIN, stateless: { createServer: () => statelessServer() } }] })
  const id = await open(url)
  await inSession(url, id, call('count'))
  await inSession(url, id, call('count'))
  await inSession(url, id, call('nonsense'))
  await inSession(url, id, { jsonrpc: '2.0', id: 5, method: 'resources/read', params: { uri: 'a:b' } })
  await callTool(`${url}/admin`, 'echo', { message: 'hi' })
  await send(url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
  await inSession(url, id, call('count'))
  await open(`${url}/admin`)

  const got = await scrape(url)
  t.equal(promtool(['check', 'metrics'], got.text), '')
  const operations = (labels: Record<string, string>) => got.value(OPERATIONS, { endpoint: 'default', mcp_protocol_version: '2025-11-25', ...labels })
  t.equal(operations({ mcp_method_name: 'initialize' }), 1)
  t.equal(operations({ mcp_method_name: 'tools/call', gen_ai_tool_name: 'count' }), 2)
  t.equal(operations({ mcp_method_name: 'tools/call', gen_ai_tool_name: '_OTHER', error_type: 'tool_error' }), 1)
  t.equal(operations({ mcp_method_name: 'resources/read', error_type: '-32601', rpc_response_status_code: '-32601' }), 1)
  t.notOk(got.of(OPERATIONS, { mcp_method_name: 'initialize' }).some(({ labels }) => 'error_type' in labels || 'gen_ai_tool_name' in labels))
  t.equal(got.value(OPERATIONS, { endpoint: 'admin', mcp_protocol_version: '2026-07-28', gen_ai_tool_name: 'echo' }), 1)
  t.equal(got.value('mcp_sticky_requests_total', { endpoint: 'default', served: 'local' }), 5)
  t.equal(got.value('mcp_sticky_requests_total', { endpoint: 'default', served: 'forwarded' }), 0)
  t.equal(got.value('mcp_server_session_duration_seconds_count', { endpoint: 'default' }), 1)
  for (const [name, ofDefault, ofAdmin] of [['sessions', 0, 1], ['sessions_opened_total', 1, 1], ['streams', 0, 0], ['calls_in_flight', 0, 0]] as const) {
    t.equal(got.value(`mcp_sticky_${name}`, { endpoint: 'default' }), ofDefault, name)
    t.equal(got.value(`mcp_sticky_${name}`, { endpoint: 'admin' }), ofAdmin, name)
  }
  t.equal(got.value('mcp_sticky_sessions_ended_total', { endpoint: 'default', reason: 'requested' }), 1)
  t.equal(got.value('mcp_sticky_sessions_ended_total'), 1)
  t.equal(got.value('mcp_sticky_refused_total', { endpoint: 'default', reason: 'unknown' }), 1)
  t.equal(got.value('mcp_sticky_refused_total'), 1)
  t.strictSame(got.of('mcp_sticky_node_info').map(({ labels }) => labels), [{ version, format: String(FORMAT) }])
  t.equal(got.value('mcp_sticky_nodes', { state: 'up' }), 1)
  t.equal(got.value('mcp_sticky_directory_up'), 1)
  t.equal(got.value('mcp_sticky_lease_lapsed'), 0)
  t.strictSame((await scrape(url)).samples, got.samples, 'another scrape says the same')
})

t.test('gauges are of the moment', async t => {
  const { url, app } = await startMetered(t)
  const id = await open(url)
  const call = await waitingCall(url, id)
  const stream = await request(url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  await until('the stream is open', () => app.mcpSessions.get(id)!.streams === 1)
  const during = await scrape(url)
  t.strictSame(['sessions', 'streams', 'calls_in_flight'].map(name => during.value(`mcp_sticky_${name}`)), [1, 1, 1])
  call.release()
  await call.answer
  stream.body.on('error', () => {}).destroy()
  await until('the stream is over', () => app.mcpSessions.get(id)!.streams === 0)
  const after = await scrape(url)
  t.strictSame(['sessions', 'streams', 'calls_in_flight'].map(name => after.value(`mcp_sticky_${name}`)), [1, 0, 0])
})

t.test('two applications of one process do not mix', async t => {
  const [a, b] = [await startMetered(t), await startMetered(t)]
  const id = await open(a.url)
  await inSession(a.url, id, call('count'))
  await send(a.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
  const [ofA, ofB] = [await scrape(a.url), await scrape(b.url)]
  t.equal(ofA.value(OPERATIONS), 2)
  t.equal(ofA.value('mcp_server_session_duration_seconds_count'), 1)
  t.equal(ofB.value(OPERATIONS), undefined)
  for (const [name, value] of [['requests_total', 0], ['sessions_opened_total', 0], ['sessions_ended_total', 0]] as const) t.equal(ofB.value(`mcp_sticky_${name}`), value, name)
})

t.test('made-up methods and tools make no more series than one', async t => {
  const { url } = await startMetered(t)
  const id = await open(url)
  const flood = async (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      await inSession(url, id, call(`tool-${i}`))
      await inSession(url, id, { jsonrpc: '2.0', id: 3, method: `method/${i}` })
    }
  }
  await flood(0, 1)
  const first = await scrape(url)
  await flood(1, 50)
  const then = await scrape(url)
  t.equal(then.samples.length, first.samples.length)
  t.equal(then.value(OPERATIONS, { mcp_method_name: 'tools/call', gen_ai_tool_name: '_OTHER' }), 50)
  t.equal(then.value(OPERATIONS, { mcp_method_name: '_OTHER' }), 50)
  t.notMatch(then.text, /tool-|method\//)
})

t.test('the route is behind the hooks of the application, for GET alone, and not in its OpenAPI', async t => {
  const routes: RouteOptions[] = []
  const { url } = await startMetered(t, {}, { prefix: '/ops', path: '/prometheus' }, {
    before: app => {
      app.addHook('onRoute', route => { routes.push(route) })
      app.addHook('onRequest', async (request, reply) => request.headers.authorization === 'Bearer ours' ? undefined : reply.code(401).send())
    }
  })
  const at = new URL('/ops/prometheus', url)
  const headers = { authorization: 'Bearer ours' }
  t.equal((await request(at)).statusCode, 401)
  const got = await request(at, { headers })
  t.equal(got.statusCode, 200)
  t.equal(got.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  t.match(await got.body.text(), /^mcp_sticky_sessions\{endpoint="default"\} 0$/m)
  for (const method of ['HEAD', 'POST'] as const) t.equal((await request(at, { method, headers })).statusCode, 404, method)
  t.match(routes.filter(({ url }) => url === '/ops/prometheus'), [{ method: 'GET', schema: { hide: true } }])
})

t.test('a registry of one\'s own has them beside what is in it, whoever serves it', async t => {
  const registry = new Registry()
  const mine = new Counter({ name: 'mine_total', help: 'mine', registers: [registry] })
  mine.inc()
  const { app, url } = await startMetered(t, {}, { path: false, registry })
  await open(url)
  const text = await registry.metrics()
  t.match(text, /^mine_total 1$/m)
  t.match(text, /^mcp_sticky_sessions\{endpoint="default"\} 1$/m)
  t.equal((await request(new URL('/metrics', url))).statusCode, 404)
  t.match(await refusal(t, { registry }), { code: 'MCP_STICKY_ERR_OPTION', message: /`registry` has the metrics of another application/ })
  await app.close()
  t.strictSame(registry.getMetricsAsArray().map(({ name }) => name), ['mine_total'], 'they go with the application')
  t.equal(await refusal(t, { registry }), undefined)
})

t.test('OpenMetrics where the registry says so', async t => {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const { url } = await startMetered(t, {}, { registry })
  const { headers, body } = await request(new URL('/metrics', url))
  t.match(headers['content-type'], /^application\/openmetrics-text/)
  t.match(await body.text(), /# EOF\n$/)
})

t.test('nobody listens any more once the application is closed', async t => {
  const kinds = ['request.done', 'forward.done', 'session.ended', 'session.adopted', 'session.adoption_failed', 'request.held']
  const heard = () => kinds.filter(kind => channel(`fastify-mcp-sticky:${kind}`).hasSubscribers)
  t.strictSame(heard(), [])
  const { app } = await startMetered(t)
  t.strictSame(heard(), kinds)
  await app.close()
  t.strictSame(heard(), [])
})

t.test('a wrong option is refused by its name', async t => {
  for (const [name, options] of [
    ['path', { path: 'metrics' }],
    ['path', { path: true }],
    ['registry', { registry: {} }],
    ['registry', { path: false }],
    ['register', { register: new Registry() }]
  ] as const) t.match(await refusal(t, options), { code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(`^option \`${name}\``) })
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(mcpStickyMetrics)), { message: /fastify-mcp-sticky/ }, 'and it comes after mcpSticky')
})
