// Whole applications with OpenTelemetry, some with Prometheus too.
import { channel } from 'node:diagnostics_channel'
import { isDeepStrictEqual } from 'node:util'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { metrics as globalMetrics, trace } from '@opentelemetry/api'
import { tracingOf } from '../../lib/events/tracing.ts'
import { mcpSticky } from '../../lib/index.ts'
import { mcpStickyMetrics } from '../../lib/metrics/index.ts'
import { mcpStickyOtel } from '../../lib/otel/index.ts'
import { startApp } from '../fixtures/app.ts'
import type { AppOptions } from '../fixtures/app.ts'
import { startCluster } from '../fixtures/cluster.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { Metrics, Spans } from '../fixtures/otel.ts'
import { startRedis } from '../fixtures/redis.ts'
import { Scrape, scrape } from '../fixtures/scrape.ts'
import { createServer } from '../fixtures/session-server.ts'
import { callTool, statelessServer } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'

const HEARD = ['request.done', 'forward.done', 'session.ended', 'session.adopted', 'session.adoption_failed']
const heard = (): string[] => HEARD.filter(kind => channel(`fastify-mcp-sticky:${kind}`).hasSubscribers)

interface Sink { spans: Spans, metrics: Metrics }

const newSink = (): Sink => ({ spans: new Spans(), metrics: new Metrics() })

async function startTold (t: Test, options: AppOptions = {}, { spans, metrics }: Sink = newSink()) {
  const started = await startApp(t, options, { after: app => app.register(mcpStickyOtel, { tracerProvider: spans.provider, meterProvider: metrics.provider }) })
  return { ...started, spans, metrics }
}

/** Each number with its name and labels, as Prometheus writes them; of a histogram how many there are. */
function ofPrometheus ({ samples }: Scrape): string[] {
  return samples.filter(({ name }) => !/_(bucket|sum)$/.test(name)).map(({ name, labels, value }) => line(name.replace(/_seconds_count$|_total$/, ''), labels, value)).sort()
}

async function ofOpenTelemetry (metrics: Metrics, node: string): Promise<string[]> {
  const points = await metrics.read()
  return points.filter(({ attributes }) => attributes['mcp.sticky.node'] === node).map(({ name, attributes: { 'mcp.sticky.node': _node, ...attributes }, value }) => line(name.replaceAll('.', '_'), labelsOf(attributes), value)).sort()
}

function labelsOf (attributes: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name.replace(/^mcp\.sticky\./, '').replaceAll('.', '_'), value]))
}

function line (name: string, labels: Record<string, unknown>, value: number): string {
  return `${name}${JSON.stringify(Object.entries(labels).sort())} ${value}`
}

t.test('the metrics are those of the exporter for Prometheus, each with its node', async t => {
  const { spans, metrics } = newSink()
  const [a, b] = await startCluster(t, await startRedis(t), ['a', 'b'], { orphan: 'adopt', drain: { grace: 0 }, stateless: { createServer: () => statelessServer() } }, {
    after: async app => {
      await app.register(mcpStickyMetrics)
      await app.register(mcpStickyOtel, { tracerProvider: spans.provider, meterProvider: metrics.provider })
    },
    fastify: { return503OnClosing: false }
  })
  const [first, second] = [await open(a.url), await open(a.url)]
  for (const name of ['count', 'nonsense', 'count']) await inSession(b.url, first, call(name))
  await inSession(a.url, first, { jsonrpc: '2.0', id: 3, method: 'resources/read', params: { uri: 'a:b' } })
  await inSession(a.url, 'unknown', call('count'))
  await callTool(a.url, 'echo', { message: 'hi' })
  await send(a.url, { method: 'DELETE', headers: { 'mcp-session-id': second } })
  // Which takes a node that dies.
  channel('fastify-mcp-sticky:request.held').publish({ event: 'request.held', node: 'b', endpoint: 'default', session: 'x', durationMs: 5 })
  await a.app.mcpSessions.drain()
  await inSession(b.url, first, call('count'))
  for (const { app, url } of [a, b]) {
    let said: string[][] = []
    // Which nodes there are may change, or be unknown for a moment, between the one and the other.
    await until('both say the same', async () => {
      said = [await ofOpenTelemetry(metrics, app.mcpSessions.node.id), ofPrometheus(await scrape(url))]
      return isDeepStrictEqual(...said as [string[], string[]])
    }).catch(() => t.strictSame(...said as [string[], string[]]))
    t.ok(said[1]!.length > 50)
  }
  const names = new Set((await metrics.read()).map(({ name }) => name))
  t.equal(names.size, (await scrape(b.url)).names.length, 'none is missing')
})

t.test('a histogram has seconds', async t => {
  const { url, metrics } = await startTold(t)
  const id = await open(url)
  await send(url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
  const durations = (await metrics.read()).filter(({ name }) => name.endsWith('.duration'))
  t.strictSame(durations.map(({ name, value }) => [name, value]), [['mcp.server.operation.duration', 1], ['mcp.server.session.duration', 1]])
  for (const { sum } of durations) t.ok(sum! < 60, 'and no milliseconds')
})

t.test('two applications of one process do not mix, whatever they share', async t => {
  const metrics = new Metrics()
  const [a, b] = [await startTold(t, {}, { spans: new Spans(), metrics }), await startTold(t, {}, { spans: new Spans(), metrics })]
  const id = await open(a.url)
  await inSession(a.url, id, call('count'))
  t.strictSame(a.spans.ended.map(({ name }) => name), ['initialize', 'tools/call count'])
  t.strictSame(b.spans.ended, [])
  const opened = (await metrics.read()).filter(({ name }) => name === 'mcp.sticky.sessions_opened').map(({ attributes, value }) => [attributes['mcp.sticky.node'], value])
  t.strictSame(opened, [[a.app.mcpSessions.node.id, 1], [b.app.mcpSessions.node.id, 0]])
  await a.app.close()
  await open(b.url)
  t.strictSame(b.spans.ended.map(({ name }) => name), ['initialize'], 'the other goes on')
})

t.test('nothing is heard or read once the application is closed, and what had begun has ended', async t => {
  t.strictSame(heard(), [])
  const { app, url, spans, metrics } = await startTold(t)
  t.strictSame(heard(), HEARD)
  await open(url)
  let reads = 0
  const { readings } = app.mcpSessions
  Object.assign(app.mcpSessions, { readings: () => { reads++; return readings() } })
  await metrics.read()
  t.equal(reads, 1, 'the sessions are looked at once for all metrics')
  await app.close()
  t.strictSame(heard(), [])
  await metrics.read()
  t.equal(reads, 1)
  t.strictSame(spans.ended.map(({ name }) => name), ['initialize'])
})

t.test('the second on one application is refused, in whichever scope; after the application is closed nothing is left of the first', async t => {
  const app = Fastify()
  await app.register(mcpSticky, { createServer })
  await app.register(mcpStickyOtel)
  t.ok(tracingOf(app.server).tracer)
  await t.rejects(async () => { await app.register(async scope => { await scope.register(mcpStickyOtel) }) }, { code: 'MCP_STICKY_ERR_ALREADY_REGISTERED' })
  await app.close()
  t.equal(tracingOf(app.server).tracer, undefined)
})

t.test('by default the providers are those of the api', async t => {
  const { spans, metrics } = newSink()
  t.teardown(() => { trace.disable(); globalMetrics.disable() })
  globalMetrics.setGlobalMeterProvider(metrics.provider)
  const { url } = await startApp(t, {}, { after: app => app.register(mcpStickyOtel) })
  // That of spans may come later.
  trace.setGlobalTracerProvider(spans.provider)
  await open(url)
  t.strictSame(spans.ended.map(({ name }) => name), ['initialize'])
  t.ok((await metrics.read()).some(({ name }) => name === 'mcp.sticky.sessions'))
})

t.test('without any SDK the application serves', async t => {
  const { url } = await startApp(t, {}, { after: app => app.register(mcpStickyOtel) })
  const id = await open(url)
  t.equal((await inSession(url, id, call('count'))).status, 200)
})

t.test('a wrong option is refused by its name', async t => {
  for (const [name, options] of [['tracerProvider', { tracerProvider: {} }], ['meterProvider', { meterProvider: null }], ['tracer', { tracer: {} }]] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(mcpSticky, { createServer })
    await t.rejects(async () => { await app.register(mcpStickyOtel, options as object) }, { code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(`^option \`${name}\``) })
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(mcpStickyOtel) }, { message: /fastify-mcp-sticky/ }, 'and it comes after mcpSticky')
})
