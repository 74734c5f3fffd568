// Spans of calls that reach the wrong node, and of sessions that move.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import t from 'tap'
import type { Test } from 'tap'
import { TRACE } from '../../lib/http/between-nodes.ts'
import { mcpStickyOtel } from '../../lib/otel/index.ts'
import { sessionName } from '../../lib/session-id.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { startCluster } from '../fixtures/cluster.ts'
import type { NodeOptions } from '../fixtures/cluster.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { callWith, CLIENT, followContexts, lineage, SPAN_OF, Spans, traceHttp, TRACEPARENT } from '../fixtures/otel.ts'
import type { ReadableSpan } from '../fixtures/otel.ts'
import { startRedis } from '../fixtures/redis.ts'
import { createServer } from '../fixtures/session-server.ts'
import { callTool, statelessServer } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'

followContexts()
const redis = await startRedis(t)

const FOREIGN = '00-0af7651916cd43dd8448eb211c80319c-9999999999999999-01'

/** Two nodes whose spans go to one place. `seen`: the header fields of the requests that reached a node, by its id. */
async function startTraced (t: Test, { http = false, options = {} }: { http?: boolean, options?: NodeOptions | ((id: 'a' | 'b') => NodeOptions) } = {}) {
  const spans = new Spans()
  const seen: Array<Record<string, unknown>> = []
  const [a, b] = await startCluster(t, redis, ['a', 'b'], id => ({ orphan: 'adopt', drain: { grace: 0 }, ...typeof options === 'function' ? options(id) : options }), {
    before: app => {
      app.addHook('onRequest', async ({ headers }) => { seen.push({ ...headers }) })
      if (http) traceHttp(spans)(app)
    },
    after: app => app.register(mcpStickyOtel, { tracerProvider: spans.provider }),
    fastify: { return503OnClosing: false }
  })
  const of = (kind: SpanKind, { app }: StartedApp): ReadableSpan[] => spans.ended.filter(span => span.kind === kind && span.attributes['mcp.sticky.node'] === app.mcpSessions.node.id && span.attributes['mcp.method.name'] !== 'initialize')
  return { a, b, spans, seen, hops: (node: StartedApp) => of(SpanKind.CLIENT, node), calls: (node: StartedApp) => of(SpanKind.SERVER, node) }
}

const idOf = (span: ReadableSpan | undefined): string => span!.spanContext().spanId

t.test('a call that is passed on is a child of the hop', async t => {
  const { a, b, hops, calls } = await startTraced(t)
  const id = await open(a.url)
  await inSession(a.url, id, call('count'))
  await inSession(b.url, id, call('count'))
  await until('the hop has ended', () => hops(b).length === 1)
  const [hop] = hops(b)
  const [direct, passedOn] = calls(a)
  t.equal(hop!.name, 'forward tools/call', 'no call of that tool has succeeded there')
  const { hostname, port } = new URL(a.url)
  t.match(hop!.attributes, {
    'mcp.method.name': 'tools/call',
    'gen_ai.tool.name': 'count',
    'mcp.session.id': sessionName(id),
    'server.address': hostname,
    'server.port': Number(port),
    'mcp.sticky.outcome': 'answered',
    'mcp.sticky.endpoint': 'default'
  })
  t.equal(hop!.status.code, SpanStatusCode.UNSET)
  t.same(lineage(direct!), { parent: undefined, links: [] })
  t.same(lineage(passedOn!), { parent: idOf(hop), links: [] })
  t.equal(passedOn!.spanContext().traceId, hop!.spanContext().traceId)
  t.equal(passedOn!.parentSpanContext!.isRemote, true)
  t.same([calls(b).length, hops(a).length], [0, 0])
})

t.test('the client\'s span stays the parent of both, and the hop is a link', async t => {
  const { a, b, hops, calls } = await startTraced(t)
  const id = await open(a.url)
  await inSession(b.url, id, callWith('count', { traceparent: TRACEPARENT }))
  await until('the hop has ended', () => hops(b).length === 1)
  t.same(lineage(hops(b)[0]!), { parent: CLIENT.spanId, links: [] })
  t.same(lineage(calls(a)[0]!), { parent: CLIENT.spanId, links: [idOf(hops(b)[0])] })
})

t.test('with the spans of HTTP: the hop is in that of its node, and links lead to that of the owner', async t => {
  const { a, b, hops, calls } = await startTraced(t, { http: true })
  const id = await open(a.url)
  const { headers } = await inSession(b.url, id, call('count'))
  await until('the hop has ended', () => hops(b).length === 1)
  const [hop] = hops(b)
  // The answer has the field of the owner.
  t.same(lineage(calls(a)[0]!), { parent: idOf(hop), links: [headers[SPAN_OF]] })
  t.ok(lineage(hop!).parent !== undefined && lineage(hop!).parent !== headers[SPAN_OF])
})

t.test('whoever is no node of ours says nothing of spans', async t => {
  const { a, b, seen, hops, calls } = await startTraced(t)
  const id = await open(a.url)
  for (const headers of [{ [TRACE]: FOREIGN }, { [TRACE]: FOREIGN, 'mcp-sticky-hop': '0123456789abcdef' }, { [TRACE]: FOREIGN, 'mcp-sticky-hop': '0123456789abcdef', 'mcp-sticky-proof': `2.x.y.${'a'.repeat(43)}` }]) {
    t.equal((await inSession(a.url, id, call('count'), headers)).status, 200)
    t.same(lineage(calls(a).at(-1)!), { parent: undefined, links: [] }, Object.keys(headers).join())
  }
  await inSession(b.url, id, call('count'), { [TRACE]: FOREIGN })
  await until('the hop has ended', () => hops(b).length === 1)
  t.equal(lineage(calls(a).at(-1)!).parent, idOf(hops(b)[0]), 'a client\'s own is not passed on')
  t.match(seen.at(-1), { [TRACE]: new RegExp(`-${idOf(hops(b)[0])}-01$`) })
})

t.test('only calls have hops: no stream, no notification, no end', async t => {
  const { a, b, hops } = await startTraced(t)
  const id = await open(a.url)
  t.equal((await inSession(b.url, id, { jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202)
  t.equal((await send(b.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })).status, 200)
  t.same(hops(b), [])
})

t.test('a hop to a node that is gone is an error', async t => {
  const { a, b, spans, hops } = await startTraced(t, { options: { orphan: 'reject', node: { heartbeat: 1000 } } })
  const id = await open(a.url)
  await inSession(b.url, id, call('count'))
  // Its record and its heartbeat stay.
  a.app.server.close()
  a.app.server.closeAllConnections()
  await inSession(b.url, id, callWith('count', { traceparent: TRACEPARENT }))
  const failed = await until('a hop has failed', () => hops(b).find(({ status }) => status.code === SpanStatusCode.ERROR))
  t.match(failed.attributes, { 'error.type': 'unreachable', 'mcp.sticky.outcome': 'unreachable' })
  t.equal(lineage(failed).parent, CLIENT.spanId)
  t.notOk(JSON.stringify(spans.ended.map(({ attributes, status }) => ({ attributes, status }))).includes(id.split('.')[1]!))
})

t.test('a session that is taken over is a span, with what the application does for it', async t => {
  const own = new Spans()
  const { a, b, spans, calls } = await startTraced(t, {
    options: {
      createServer: () => {
        own.provider.getTracer('app').startSpan('create').end()
        return createServer()
      }
    }
  })
  const id = await open(a.url)
  await a.app.mcpSessions.drain()
  await inSession(b.url, id, callWith('count', { traceparent: TRACEPARENT }))
  const adoption = await spans.named('adopt session')
  t.equal(adoption.kind, SpanKind.INTERNAL)
  t.same(adoption.attributes, { 'mcp.sticky.node': b.app.mcpSessions.node.id, 'mcp.sticky.endpoint': 'default', 'mcp.sticky.from': a.app.mcpSessions.node.id, 'mcp.sticky.outcome': 'adopted', 'mcp.session.id': sessionName(id) })
  t.equal(lineage(adoption).parent, CLIENT.spanId)
  t.equal(lineage(own.ended.at(-1)!).parent, idOf(adoption))
  t.same(lineage(calls(b)[0]!), { parent: CLIENT.spanId, links: [] })
})

t.test('so is one that could not be', async t => {
  const { a, b, spans } = await startTraced(t, { options: id => id === 'b' ? { onAdopt: async () => { throw new Error('no state') } } : {} })
  const id = await open(a.url)
  await a.app.mcpSessions.drain()
  t.equal((await inSession(b.url, id, call('count'))).status, 503)
  t.match(await spans.named('adopt session'), { status: { code: SpanStatusCode.ERROR, message: /no state/ }, attributes: { 'error.type': 'adoption_failed', 'mcp.sticky.outcome': 'failed', 'mcp.sticky.from': 'a' } })
})

t.test('a call without a session that another node serves', async t => {
  const { a, b, hops, calls } = await startTraced(t, { options: id => id === 'a' ? { stateless: { createServer: () => statelessServer() } } : {} })
  await until('the other era is known', async () => (await b.app.mcpSessions.nodes()).some(({ id, stateless }) => id === 'a' && stateless?.includes('default')))
  t.equal((await callTool(b.url, 'echo', { message: 'hi' }, { meta: { traceparent: TRACEPARENT } })).status, 200)
  await until('the hop has ended', () => hops(b).length === 1)
  t.same(lineage(hops(b)[0]!), { parent: CLIENT.spanId, links: [] })
  t.same(lineage(calls(a)[0]!), { parent: CLIENT.spanId, links: [idOf(hops(b)[0])] })
})

t.test('what is sent for a hop is sent inside its span, without the client\'s baggage', async t => {
  const { a, b, hops } = await startTraced(t, { http: true })
  const id = await open(a.url)
  const sent: Array<{ span: string | undefined, baggage: unknown }> = []
  // Where the SDK's instrumentation of undici listens, too.
  const listen = (message: unknown): void => {
    if (JSON.stringify((message as { request: { headers: unknown } }).request.headers).includes('mcp-sticky-hop')) sent.push({ span: trace.getActiveSpan()?.spanContext().spanId, baggage: propagation.getActiveBaggage() })
  }
  subscribe('undici:request:create', listen)
  t.teardown(() => unsubscribe('undici:request:create', listen))
  await inSession(b.url, id, callWith('count', { baggage: 'user=alice' }), { baggage: 'user=alice' })
  await until('the hop has ended', () => hops(b).length === 1)
  t.same(sent, [{ span: idOf(hops(b)[0]), baggage: undefined }])
})
