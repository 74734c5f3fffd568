// Beside the plugins that applications have: all of them at once, for clients of both eras.
import { gunzipSync, gzipSync } from 'node:zlib'
import compress from '@fastify/compress'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import underPressure from '@fastify/under-pressure'
import fastifyMetrics from 'fastify-metrics'
import type { Registry } from 'prom-client'
import t from 'tap'
import type { Test } from 'tap'
import { request } from 'undici'
import { mcpStickyMetrics } from '../lib/metrics/index.ts'
import { mcpStickyOtel } from '../lib/otel/index.ts'
import { startApp } from './fixtures/app.ts'
import type { AppOptions } from './fixtures/app.ts'
import { lines } from './fixtures/clients.ts'
import { call, inSession, open, send } from './fixtures/http.ts'
import { followContexts, lineage, Spans } from './fixtures/otel.ts'
import { announcer } from './fixtures/session-server.ts'
import { ask, connectPinned, modern, statelessServer } from './fixtures/stateless.ts'
import { until } from './fixtures/until.ts'

const oauth = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] }
const OURS = { 'x-content-type-options': 'nosniff', 'x-ratelimit-limit': '1000', 'access-control-expose-headers': 'Mcp-Session-Id' }

followContexts()
const spans = new Spans()
const http = new FastifyOtelInstrumentation()
http.setTracerProvider(spans.provider)

async function start (t: Test, options: AppOptions = {}, max = 1000) {
  return startApp(t, { stateless: { servers: 'shared', createServer: () => statelessServer() }, oauth, principal: () => null, ...options }, {
    before: async app => {
      await app.register(http.plugin())
      await app.register(fastifyMetrics.default, { endpoint: '/metrics', clearRegisterOnInit: true })
      await app.register(helmet)
      await app.register(cors, { exposedHeaders: ['Mcp-Session-Id'] })
      await app.register(rateLimit, { max })
      await app.register(compress, { threshold: 0 })
      await app.register(underPressure, { maxEventLoopDelay: 60_000, exposeStatusRoute: true })
      await app.register(swagger, { openapi: { info: { title: 'test', version: '1' } } })
      app.get('/mine', { schema: { response: { 200: { type: 'object', properties: { mine: { type: 'boolean' } } } } } }, async () => ({ mine: true }))
    },
    after: async app => {
      await app.register(mcpStickyMetrics, { path: false, registry: app.metrics.client.register as Registry })
      await app.register(mcpStickyOtel, { tracerProvider: spans.provider })
    }
  })
}

for (const [line, connect] of Object.entries(lines)) {
  t.test(`${line}: a session through all of them`, async t => {
    const { url } = await start(t)
    const client = await connect(t, url)
    t.equal(await client.call('count'), '1')
    t.equal(await client.call('ask'), 'Ada')
    const seen: number[] = []
    t.equal(await client.call('progress', { steps: 3 }, step => seen.push(step)), 'done')
    t.strictSame(seen, [1, 2, 3])
    await client.end()
  })
}

t.test('calls without sessions through all of them', async t => {
  const { url } = await start(t)
  const client = await connectPinned(t, url)
  t.match(await client.callTool({ name: 'echo', arguments: { message: 'a' } }), { content: [{ text: 'a' }] })
  const seen: number[] = []
  await client.callTool({ name: 'progress', arguments: { steps: 3, name: 'b' } }, { onprogress: ({ progress }) => seen.push(progress) })
  t.strictSame(seen, [1, 2, 3])
  t.match((await ask(url, 'tools/list')).headers, OURS)
})

t.test('answers and streams have what the others add', async t => {
  const { url } = await start(t)
  const id = await open(url)
  t.match((await inSession(url, id, call('count'))).headers, OURS)
  const stream = await request(url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  t.teardown(() => stream.body.destroy())
  t.match(stream.headers, { ...OURS, 'content-type': 'text/event-stream' })
})

t.test('what is compressed is read, and what is answered as JSON is compressed, but no stream', async t => {
  const { url } = await start(t, { createServer: announcer })
  const id = await open(url)
  const ask = (body: object, more: Record<string, string> = {}) => request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'accept-encoding': 'gzip', 'content-encoding': 'gzip', ...more },
    body: gzipSync(JSON.stringify(body))
  })
  const echo = modern('tools/call', { name: 'echo', arguments: { message: 'without' } })
  for (const [answer, message] of [[await ask(call('echo', { message: 'with' }), { 'mcp-session-id': id }), 'with'], [await ask(echo.body, echo.headers), 'without']] as const) {
    t.equal(answer.headers['content-encoding'], 'gzip')
    t.match(JSON.parse(gunzipSync(Buffer.from(await answer.body.arrayBuffer())).toString()), { result: { content: [{ text: message }] } })
  }
  const stream = await request(url, { headers: { accept: 'text/event-stream', 'accept-encoding': 'gzip', 'mcp-session-id': id } })
  t.teardown(() => stream.body.destroy())
  t.equal(stream.headers['content-encoding'], undefined)
  let received = ''
  stream.body.on('data', chunk => { received += String(chunk) }).on('error', () => {})
  await inSession(url, id, call('announce'))
  await until('the event has arrived, while the stream is open', () => received.includes('"news"'))
  t.notOk(stream.body.readableEnded)
})

t.test('nothing of the plugin is in the documents of the application, unless that is asked for', async t => {
  const { app } = await start(t)
  t.strictSame(Object.keys((app.swagger() as { paths: object }).paths), ['/mine'])
  const shown = await start(t, { routeOptions: { schema: { hide: false, summary: 'MCP' } as object } })
  const { paths } = shown.app.swagger() as { paths: Record<string, Record<string, { summary?: string }>> }
  t.equal(paths['/mcp']?.['post']?.summary, 'MCP')
})

t.test('a rate limit refuses calls, and neither health nor metadata', async t => {
  const { url } = await start(t, {}, 2)
  await open(url)
  await open(url)
  t.match(await send(url, { body: call('count') }), { status: 429 })
  t.match(await ask(url, 'tools/list'), { status: 429 })
  for (const path of ['/mcp-sticky/ready', '/.well-known/oauth-protected-resource/mcp']) t.match(await send(new URL(path, url).href, { method: 'GET' }), { status: 200 }, path)
})

t.test('one scrape has the metrics of both, and a call\'s span is a child of its request\'s', async t => {
  const { url } = await start(t)
  const id = await open(url)
  await inSession(url, id, call('count'))
  const { text } = await send(new URL('/metrics', url).href, { method: 'GET' })
  for (const line of [/^http_request_duration_seconds_count\{.*route="\/mcp"/m, /^mcp_sticky_sessions\{endpoint="default"\} 1$/m]) t.match(text, line)
  const called = await spans.named('tools/call count')
  const { parent } = lineage(called)
  await until('its request has ended', () => spans.ended.some(span => span.spanContext().spanId === parent && span.spanContext().traceId === called.spanContext().traceId))
})
