// Spans of whole applications, by OpenTelemetry's own SDK.
import { setImmediate } from 'node:timers/promises'
import { propagation, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpServer as McpServer2 } from '@modelcontextprotocol/server'
import t from 'tap'
import type { Test } from 'tap'
import { request } from 'undici'
import type { McpStickyOptions } from '../../lib/index.ts'
import { mcpStickyOtel } from '../../lib/otel/index.ts'
import { sessionName } from '../../lib/session-id.ts'
import { startApp } from '../fixtures/app.ts'
import type { AppOptions } from '../fixtures/app.ts'
import { call, inSession, initialize, open, send } from '../fixtures/http.ts'
import { callWith, CLIENT, followContexts, lineage, SPAN_OF, Spans, traceHttp, TRACEPARENT } from '../fixtures/otel.ts'
import { createServer } from '../fixtures/session-server.ts'
import { ask, callTool, modern, newSeen, statelessServer } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'
import { waitingCall } from '../fixtures/waiting-call.ts'

followContexts()

/** An application whose spans are kept; `http`: each HTTP request has one too. */
async function startTraced (t: Test, options: AppOptions = {}, { http = false, spans = new Spans() } = {}) {
  const started = await startApp(t, options, {
    ...http && { before: traceHttp(spans) },
    after: app => app.register(mcpStickyOtel, { tracerProvider: spans.provider })
  })
  return { ...started, spans }
}

/** A server whose tool makes a span of its own, after a while, and tells which baggage it has. */
function servers (spans: Spans): { createServer: NonNullable<McpStickyOptions['createServer']>, stateless: NonNullable<McpStickyOptions['stateless']> } {
  const work = async (): Promise<{ content: [{ type: 'text', text: string }] }> => {
    await setImmediate()
    spans.provider.getTracer('tool').startSpan('work').end()
    return { content: [{ type: 'text', text: JSON.stringify(propagation.getActiveBaggage()?.getAllEntries() ?? 'none') }] }
  }
  return {
    createServer: () => {
      const server = new McpServer({ name: 'work', version: '1' })
      server.registerTool('work', {}, work)
      return server
    },
    stateless: {
      createServer: () => {
        spans.provider.getTracer('tool').startSpan('create').end()
        const server = new McpServer2({ name: 'work', version: '2' })
        server.registerTool('work', {}, work)
        return server
      }
    }
  }
}

t.test('a call is a span by the conventions, whose parent is the client\'s', async t => {
  const { url, spans, app } = await startTraced(t, {}, { http: true })
  const id = await open(url)
  const opened = await spans.named('initialize')
  t.match(opened.attributes, { 'mcp.method.name': 'initialize', 'mcp.protocol.version': '2025-11-25', 'mcp.session.id': sessionName(id), 'jsonrpc.request.id': '1' })
  await inSession(url, id, callWith('count', { traceparent: TRACEPARENT, tracestate: 'vendor=a' }))
  const span = await spans.named('tools/call count')
  t.equal(span.kind, SpanKind.SERVER)
  t.equal(span.instrumentationScope.name, 'fastify-mcp-sticky')
  t.same(span.attributes, {
    'mcp.method.name': 'tools/call',
    'gen_ai.tool.name': 'count',
    'gen_ai.operation.name': 'execute_tool',
    'jsonrpc.request.id': '2',
    'mcp.session.id': sessionName(id),
    'mcp.protocol.version': '2025-11-25',
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'mcp.sticky.node': app.mcpSessions.node.id,
    'mcp.sticky.endpoint': 'default'
  })
  t.equal(span.status.code, SpanStatusCode.UNSET)
  t.match(span.parentSpanContext, { ...CLIENT, isRemote: true })
  t.equal(span.spanContext().traceId, CLIENT.traceId)
  t.equal(span.spanContext().traceState?.serialize(), 'vendor=a')
})

t.test('the HTTP request is a link where the client names a span, and else the parent', async t => {
  const { url, spans } = await startTraced(t, {}, { http: true })
  const id = await open(url)
  for (const [meta, parent] of [[{ traceparent: TRACEPARENT }, CLIENT.spanId], [{ traceparent: 'nonsense' }, undefined], [{}, undefined]] as const) {
    const { headers: { [SPAN_OF]: http } } = await inSession(url, id, callWith('count', meta))
    t.same(lineage(spans.ended.findLast(({ name }) => name === 'tools/call count')!), parent === undefined ? { parent: http, links: [] } : { parent, links: [http] })
  }
})

t.test('without either it begins a trace of its own', async t => {
  const { url, spans } = await startTraced(t)
  await open(url, { traceparent: TRACEPARENT })
  t.same(lineage(await spans.named('initialize')), { parent: undefined, links: [] })
})

t.test('what a handler does is its child, in both eras, also while others call', async t => {
  const spans = new Spans()
  const { url } = await startTraced(t, servers(spans), { spans })
  const id = await open(url)
  await Promise.all([1, 2, 3, 4, 5].flatMap(n => [inSession(url, id, callWith('work', {}, {}, `s${n}`)), callTool(url, 'work', {}, { id: `m${n}` })]))
  const calls = spans.ended.filter(({ attributes }) => attributes['mcp.method.name'] === 'tools/call')
  t.equal(calls.length, 10)
  for (const call of calls) {
    const children = spans.ended.filter(({ parentSpanContext }) => parentSpanContext?.spanId === call.spanContext().spanId).map(({ name }) => name)
    t.strictSame(children, String(call.attributes['jsonrpc.request.id']).startsWith('m') ? ['create', 'work'] : ['work'])
  }
})

t.test('the client\'s baggage is in no handler', async t => {
  const spans = new Spans()
  const { url } = await startTraced(t, servers(spans), { http: true, spans })
  const headers = { baggage: 'user=alice' }
  const meta = { traceparent: TRACEPARENT, baggage: 'user=alice' }
  const id = await open(url, headers)
  t.equal((await inSession(url, id, callWith('work', meta), headers)).body.result.content[0].text, '"none"')
  t.equal((await callTool(url, 'work', {}, { meta, headers })).body.result.content[0].text, '"none"')
})

t.test('errors are told as the conventions have it', async t => {
  const { url, spans } = await startTraced(t)
  const id = await open(url)
  await inSession(url, id, call('nonsense'))
  const tool = await spans.named('tools/call')
  t.match(tool, { status: { code: SpanStatusCode.ERROR }, attributes: { 'error.type': 'tool_error', 'gen_ai.tool.name': 'nonsense' } })
  t.notOk('rpc.response.status_code' in tool.attributes)
  await inSession(url, id, { jsonrpc: '2.0', id: 3, method: 'resources/read', params: { uri: 'secret:b' } })
  const read = await spans.named('resources/read')
  t.match(read, { status: { code: SpanStatusCode.ERROR, message: 'Method not found' }, attributes: { 'error.type': '-32601', 'rpc.response.status_code': '-32601' } })
  t.notMatch(JSON.stringify(read.attributes), /secret/)
})

t.test('the name has a tool once it has worked, so that clients make up no names', async t => {
  const { url, spans } = await startTraced(t)
  const id = await open(url)
  for (const name of ['made-up', 'count', 'echo', 'echo']) await inSession(url, id, call(name, name === 'echo' && spans.ended.some(({ name }) => name.includes('echo')) ? {} : { message: 'hi' }))
  t.strictSame(spans.ended.slice(1).map(({ name, attributes }) => [name, attributes['gen_ai.tool.name'], attributes['error.type']]), [
    ['tools/call', 'made-up', 'tool_error'], ['tools/call count', 'count', undefined], ['tools/call echo', 'echo', undefined], ['tools/call echo', 'echo', 'tool_error']
  ])
})

t.test('a call that is cancelled has ended, and one whose session ends', async t => {
  const { url, spans } = await startTraced(t)
  const id = await open(url)
  const first = await waitingCall(url, id, 'first')
  t.notOk(spans.ended.some(({ name }) => name === 'tools/call'), 'it is under way')
  await inSession(url, id, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'first' } })
  await first.answer
  const second = await waitingCall(url, id, 'second')
  await send(url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
  await second.answer
  t.strictSame(spans.ended.filter(({ name }) => name === 'tools/call').map(({ attributes, status }) => [attributes['jsonrpc.request.id'], attributes['error.type'], status.code]),
    [['first', 'ended', SpanStatusCode.ERROR], ['second', 'ended', SpanStatusCode.ERROR]])
})

t.test('each request of a batch has a span', async t => {
  const { url, spans } = await startTraced(t)
  const answer = await send(url, { body: { ...initialize, params: { ...initialize.params, protocolVersion: '2025-03-26' } } })
  await inSession(url, answer.headers['mcp-session-id'] as string, [callWith('count', { traceparent: TRACEPARENT }, {}, 'a'), callWith('echo', {}, { message: 'hi' }, 'b')])
  t.same(spans.ended.slice(1).map(span => [span.name, span.attributes['jsonrpc.request.id'], lineage(span).parent]), [['tools/call count', 'a', CLIENT.spanId], ['tools/call echo', 'b', undefined]])
})

t.test('the era without sessions: answered, kept, refused, and left', async t => {
  const seen = newSeen()
  const { url, spans } = await startTraced(t, { stateless: { createServer: () => statelessServer(seen, { 'tools/list': { ttlMs: 60_000, cacheScope: 'public' } }) } })
  await callTool(url, 'echo', { message: 'hi' }, { meta: { traceparent: TRACEPARENT } })
  const answered = await spans.named('tools/call echo')
  t.match(answered, { kind: SpanKind.SERVER, attributes: { 'mcp.protocol.version': '2026-07-28', 'gen_ai.operation.name': 'execute_tool' } })
  t.equal(lineage(answered).parent, CLIENT.spanId)
  t.notOk('mcp.session.id' in answered.attributes)
  for (const id of ['first', 'kept']) await ask(url, 'tools/list', {}, { id })
  t.strictSame(spans.ended.filter(({ name }) => name === 'tools/list').map(({ attributes }) => attributes['jsonrpc.request.id']), ['first', 'kept'])
  await ask(url, 'tools/unknown')
  t.match(await spans.named('_OTHER'), { status: { code: SpanStatusCode.ERROR }, attributes: { 'error.type': 'method_unknown' } })
  const { body, headers } = modern('tools/call', { name: 'wait', arguments: { name: 'left' } })
  const controller = new AbortController()
  const leaving = request(url, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers }, signal: controller.signal })
  await until('its handler runs', () => seen.begun.has('left'))
  controller.abort()
  await t.rejects(leaving)
  t.match(await spans.named('tools/call'), { attributes: { 'gen_ai.tool.name': 'wait', 'error.type': 'ended' } })
})

t.test('a server that cannot be made ends the span of its call', async t => {
  const { url, spans } = await startTraced(t, { stateless: { createServer: () => { throw new Error('db down') } } })
  t.equal((await callTool(url, 'echo')).status, 500)
  t.match(await spans.named('tools/call'), { status: { code: SpanStatusCode.ERROR }, attributes: { 'error.type': 'server_failed' } })
})

t.test('no span has a whole session id', async t => {
  const { url, spans } = await startTraced(t, {}, { http: true })
  const id = await open(url)
  await inSession(url, id, call('count'))
  await inSession(url, id, call('nonsense'))
  await send(url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
  const ours = spans.ended.filter(({ instrumentationScope: { name } }) => name === 'fastify-mcp-sticky')
  t.equal(ours.length, 3)
  t.notOk(JSON.stringify(ours.map(({ name, attributes, status, events, links }) => ({ name, attributes, status, events, links }))).includes(id.split('.')[1]!))
})

t.test('a processor that throws ends no call', async t => {
  const fails = (): never => { throw new Error('no') }
  const warnings: string[] = []
  const warned = (warning: Error): void => { warnings.push(warning.message) }
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))
  for (const processor of [{ onStart: fails, onEnd: () => {} }, { onStart: () => {}, onEnd: fails }]) {
    const provider = new BasicTracerProvider({ spanProcessors: [{ ...processor, forceFlush: async () => {}, shutdown: async () => {} }] })
    const { url } = await startApp(t, { createServer }, { after: app => app.register(mcpStickyOtel, { tracerProvider: provider }) })
    const id = await open(url)
    t.match(await inSession(url, id, call('count')), { status: 200, body: { result: { content: [{ text: '1' }] } } })
  }
  await until('it is said', () => warnings.filter(text => text.includes('a span could not be made')).length === 4)
})
