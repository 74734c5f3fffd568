// What clients and hooks do to requests has one answer: the owner's, and the
// same through another node. Each row is sent as bytes, to both, in a fresh session.
import t from 'tap'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { gzipSync, createGunzip } from 'node:zlib'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { generate } from 'selfsigned'
import type { Test } from 'tap'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { McpStickyOptions } from '../../lib/index.ts'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, send } from '../fixtures/http.ts'
import { exchange } from '../fixtures/raw-request.ts'
import type { RawRequest, RawResponse } from '../fixtures/raw-request.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const redis = await startRedis(t)

/** Fields that a hop may change: they speak of the connection, of the body's form, or are there for the hop. */
const OF_THE_HOP = /^(connection|keep-alive|te|trailer|transfer-encoding|upgrade|http2-settings|proxy-connection|content-length|content-encoding|expect|host|:.*|x-forwarded-(for|proto)|mcp-sticky-.*)$/

/** A tool that tells which fields its handler sees. */
function createServer (): McpServer {
  const server = new McpServer({ name: 'odd', version: '1.0.0' })
  server.registerTool('seen', {}, async ({ requestInfo, authInfo }) => {
    const seen = Object.entries(requestInfo!.headers).filter(([name]) => !OF_THE_HOP.test(name)).sort(([a], [b]) => a < b ? -1 : 1)
      .map(([name, value]) => [name, String(value).length > 100 ? String(value).length : value])
    return { content: [{ type: 'text', text: JSON.stringify({ seen, authInfo }) }] }
  })
  return server
}

/** An application that decompresses bodies and says in a field of its own who sends. */
async function hooks (app: FastifyInstance): Promise<void> {
  app.addHook('onRequest', async request => {
    request.headers['x-user'] = `${request.headers.authorization ?? 'nobody'}`.replace('Bearer ', '')
    delete request.headers['x-internal']
    if (request.headers['x-grow'] !== undefined) request.headers['x-grown'] = 'g'.repeat(Number(request.headers['x-grow']))
  })
  app.addHook('preParsing', async (request, _reply, payload) => {
    if (request.headers['content-encoding'] !== 'gzip') return payload
    const plain = Object.assign(payload.pipe(createGunzip()), { receivedEncodedLength: 0 })
    payload.on('data', (chunk: Buffer) => { plain.receivedEncodedLength += chunk.length })
    return plain
  })
}

/** The owner and another node. */
async function startNodes (t: Test, options: Partial<McpStickyOptions> = {}, fastify: FastifyServerOptions = {}, others = fastify): Promise<[StartedApp, StartedApp]> {
  const keyPrefix = `test:${randomUUID()}:`
  const nodes: StartedApp[] = []
  for (const id of ['owner', 'other']) {
    const url = `${id === 'other' && 'https' in others ? 'https' : 'http'}://127.0.0.1:${await freePort()}`
    nodes.push(await startApp(t, {
      redis: connect(t, redis),
      keyPrefix,
      node: { id, url, heartbeat: 100 },
      createServer,
      principal: ({ headers }) => headers['x-user'] === 'nobody' ? undefined : String(headers['x-user']),
      authInfo: ({ headers }) => ({ token: String(headers.authorization), clientId: String(headers['x-user']), scopes: [] }),
      ...options
    }, { before: hooks, fastify: id === 'owner' ? fastify : others }))
  }
  for (const { app } of nodes) await until('the nodes know of each other', async () => (await app.mcpSessions.nodes().catch(() => [])).length === 2)
  return nodes as [StartedApp, StartedApp]
}

const SEEN = JSON.stringify(call('seen', {}, 'c'))
const AUTH = 'Authorization: Bearer ada'
const TYPE = 'Content-Type: application/json'
const ACCEPT = 'Accept: application/json, text/event-stream'
const nested = (depth: number): string => `{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"seen","arguments":{"x":${'['.repeat(depth)}${']'.repeat(depth)}}}}`

interface Row extends Partial<RawRequest> {
  /** What is expected of both: status, and the reason of a refusal. */
  gives: [status: number, reason?: string]
  method?: string
  target?: string
  version?: string
  /** Fields besides the usual ones; a function gets the session's id. */
  with?: string[] | ((id: string) => string[])
  /** Usual fields that are left out: their beginnings. */
  without?: string[]
  /** The answer is a stream that stays open. */
  open?: boolean
  /** Protocol version of the session. */
  protocol?: string
}

function requestOf (row: Row, id: string): RawRequest {
  const method = row.method ?? 'POST'
  const body = row.body ?? (method === 'POST' ? SEEN : undefined)
  const more = typeof row.with === 'function' ? row.with(id) : row.with ?? []
  const usual = ['Host: mcp.example', AUTH, `Mcp-Session-Id: ${id}`, ACCEPT, ...body === undefined ? [] : [TYPE, `Content-Length: ${Buffer.byteLength(body)}`], 'Connection: close']
  return {
    line: `${method} ${row.target ?? '/mcp'} HTTP/${row.version ?? '1.1'}`,
    fields: [...usual.filter(field => !row.without?.some(name => field.startsWith(`${name}:`))), ...more],
    ...body !== undefined && { body }
  }
}

async function openSession (url: string, protocolVersion = '2025-11-25'): Promise<string> {
  const { headers } = await send(url, { body: { ...initialize, params: { ...initialize.params, protocolVersion } }, headers: { authorization: 'Bearer ada' } })
  return headers['mcp-session-id'] as string
}

function comparable ({ status, phrase, headers, body }: RawResponse, id: string): unknown {
  return { status, phrase, type: headers['content-type'], allow: headers['allow'], challenge: headers['proxy-authenticate'], body: body.replaceAll(id, '<id>') }
}

async function run (t: Test, [owner, other]: [StartedApp, StartedApp], rows: Record<string, Row>): Promise<void> {
  for (const [name, row] of Object.entries(rows)) {
    const answers: unknown[] = []
    for (const { url } of [owner, other]) {
      const id = await openSession(owner.url, row.protocol)
      const answer = await exchange(url, requestOf(row, id), { open: row.open ?? false })
      answers.push(comparable(answer, id))
      const [status, reason] = row.gives
      t.equal(answer.status, status, `${name}: ${answer.body.slice(0, 300)}`)
      if (reason !== undefined) t.equal(JSON.parse(answer.body).error.data.reason, reason, name)
    }
    t.same(answers[1], answers[0], `${name}: the same through another node`)
  }
}

t.test('bodies', async t => {
  const packed = gzipSync(SEEN)
  const chunked = (...chunks: Array<string | Buffer>): Buffer => Buffer.concat([...chunks.flatMap(chunk => [Buffer.from(`${Buffer.byteLength(chunk).toString(16)};x=y\r\n`), Buffer.from(chunk), Buffer.from('\r\n')]), Buffer.from('0\r\nX-Sum: 1\r\n\r\n')])
  const nodes = await startNodes(t, { routeOptions: { bodyLimit: 300_000 } })
  await run(t, nodes, {
    plain: { gives: [200] },
    'compressed, with a hook that decompresses': { gives: [200], with: ['Content-Encoding: gzip'], body: packed },
    'compressed and chunked': { gives: [200], without: ['Content-Length'], with: ['Content-Encoding: gzip', 'Transfer-Encoding: chunked'], body: chunked(packed.subarray(0, 20), packed.subarray(20)) },
    'compressed, it says': { gives: [400], with: ['Content-Encoding: gzip'] },
    'compressed, and nobody decompresses it': { gives: [400, 'parse_error'], with: ['Content-Encoding: br'], body: packed },
    'plain with another coding': { gives: [200], with: ['Content-Encoding: identity'] },
    'chunked, with extensions and trailers': { gives: [200], without: ['Content-Length'], with: ['Transfer-Encoding: chunked', 'Trailer: X-Sum'], body: chunked(SEEN.slice(0, 9), SEEN.slice(9)) },
    'after Expect: 100-continue': { gives: [200], with: ['Expect: 100-continue'] },
    'after another expectation': { gives: [417], with: ['Expect: something'] },
    none: { gives: [400, 'parse_error'], body: '' },
    'with a byte order mark': { gives: [200], body: `\ufeff${SEEN}` },
    'not in UTF-8': { gives: [200], body: Buffer.from(SEEN.replace('"c"', '"\xff"'), 'latin1') },
    'broken JSON': { gives: [400, 'parse_error'], body: '{"jsonrpc":' },
    'no message': { gives: [400, 'invalid_request'], body: '7' },
    'that poisons': { gives: [400, 'parse_error'], body: '{"__proto__":{}}' },
    'too large': { gives: [413, 'body_too_large'], body: Buffer.alloc(300_001, ' ') },
    'nested as deeply as may be': { gives: [200], body: nested(124) },
    'nested too deeply': { gives: [400, 'invalid_request'], body: nested(126) },
    'nested far too deeply': { gives: [400, 'invalid_request'], body: nested(100_000) },
    'an array nested far too deeply': { gives: [400, 'invalid_request'], body: `${'['.repeat(100_000)}${']'.repeat(100_000)}` },
    'a batch': { gives: [400, 'batch_unsupported'], body: `[${SEEN}]` },
    'a batch where there are batches': { gives: [200], protocol: '2025-03-26', body: `[${SEEN},${SEEN.replace('"c"', '"d"')}]` },
    'an empty batch': { gives: [400, 'invalid_request'], protocol: '2025-03-26', body: '[]' },
    'a notification': { gives: [202], body: '{"jsonrpc":"2.0","method":"notifications/initialized"}' },
    'no content type': { gives: [415, 'unsupported_media_type'], without: ['Content-Type'] },
    'another content type': { gives: [415, 'unsupported_media_type'], without: ['Content-Type'], with: ['Content-Type: text/plain'] },
    'no media type': { gives: [415, 'unsupported_media_type'], without: ['Content-Type'], with: ['Content-Type: json'] },
    'a content type with parameters': { gives: [200], without: ['Content-Type'], with: ['Content-Type: Application/JSON; charset=utf-8'] },
    'a content type twice': { gives: [200], with: ['Content-Type: text/plain'] }
  })
})

t.test('header fields', async t => {
  const nodes = await startNodes(t)
  const listed = (...names: string[]): Row => ({ gives: [200], without: ['Connection'], with: [`Connection: close, ${names.join(', ')}`, 'X-Odd: 1', 'X-Forwarded-For: 203.0.113.9'] })
  await run(t, nodes, {
    'that a hook rewrites': { gives: [200], with: ['X-User: eve', 'X-Internal: 1'] },
    'Connection lists who sends': listed('authorization'),
    'Connection lists all that matters': listed('Authorization', 'Mcp-Session-Id', 'Content-Type', 'Accept', 'X-Odd', 'X-User', 'X-Forwarded-For', 'Mcp-Sticky-Hop'),
    'of one connection': { gives: [200], with: ['TE: trailers', 'Keep-Alive: timeout=5', 'Upgrade: h2c', 'Proxy-Connection: close', 'Proxy-Authorization: Basic eDp5'] },
    'authorization twice': { gives: [200], with: ['Authorization: Bearer eve'] },
    'no authorization': { gives: [404, 'unknown'], without: ['Authorization'] },
    'empty authorization': { gives: [404, 'unknown'], without: ['Authorization'], with: ['Authorization:'] },
    'a field twice': { gives: [200], with: ['X-Odd: 1', 'X-Odd: 2', 'Cookie: a=1', 'Cookie: b=2', 'User-Agent: a', 'User-Agent: b'] },
    'empty and blank ones': { gives: [200], with: ['X-Odd:', 'X-Blank: \t '] },
    'bytes beyond ASCII': { gives: [200], with: ['X-Odd: h\xe9 \xff\tx'] },
    'a chain of proxies': { gives: [200], with: ['X-Forwarded-For: 203.0.113.9, 10.0.0.1', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: mcp.example', 'Forwarded: for=203.0.113.9'] },
    'no Accept': { gives: [406, 'not_acceptable'], without: ['Accept'] },
    'Accept twice': { gives: [200], without: ['Accept'], with: ['Accept: application/json', 'Accept: text/event-stream'] },
    'another site\'s Origin': { gives: [403, 'origin_forbidden'], with: ['Origin: https://evil.example'] },
    'its own Origin': { gives: [200], with: ['Origin: http://mcp.example'] },
    'another version': { gives: [400, 'unsupported_protocol_version'], with: ['MCP-Protocol-Version: 1.0'] },
    'the version twice': { gives: [400, 'unsupported_protocol_version'], with: ['MCP-Protocol-Version: 2025-11-25', 'MCP-Protocol-Version: 2025-11-25'] },
    'no session': { gives: [400, 'session_required'], without: ['Mcp-Session-Id'] },
    'an empty session': { gives: [400, 'session_required'], without: ['Mcp-Session-Id'], with: ['Mcp-Session-Id: '] },
    'the session twice': { gives: [400, 'session_malformed'], with: id => [`Mcp-Session-Id: ${id}`] },
    'a session beyond ASCII': { gives: [400, 'session_malformed'], without: ['Mcp-Session-Id'], with: ['Mcp-Session-Id: \xe9'] },
    'a session that is not ours': { gives: [404, 'unknown'], without: ['Mcp-Session-Id'], with: ['Mcp-Session-Id: a,b'] },
    'a long session': { gives: [404, 'unknown'], without: ['Mcp-Session-Id'], with: [`Mcp-Session-Id: ${'x'.repeat(14_000)}`] },
    'initialize with a long session': { gives: [200], without: ['Mcp-Session-Id'], with: [`Mcp-Session-Id: ${'x'.repeat(14_000)}`], body: JSON.stringify(initialize) },
    'initialize with two sessions': { gives: [400, 'session_malformed'], with: id => [`Mcp-Session-Id: ${id}`], body: JSON.stringify(initialize) }
  })
})

t.test('header fields, however large or many', async t => {
  const nodes = await startNodes(t)
  const long = (length: number): string => `X-Long: ${'x'.repeat(length)}`
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `x${i.toString(36)}:1`)
  await run(t, nodes, {
    'one of 15,000': { gives: [200], with: [long(15_000)] },
    'three of 5000': { gives: [200], with: [long(5000), `${long(5000)}`, `X-Longer: ${'y'.repeat(5000)}`] },
    'more than could be passed on': { gives: [431, 'headers_too_large'], with: [long(15_500)] },
    'a long target': { gives: [200], target: `/mcp?${'q'.repeat(15_000)}` },
    'a target that is too long': { gives: [431, 'headers_too_large'], target: `/mcp?${'q'.repeat(15_500)}` },
    'more than Node takes': { gives: [431], with: [long(16_500)] },
    '950 fields': { gives: [200], with: many(950) },
    'more fields than could be passed on': { gives: [431, 'headers_too_large'], with: many(990) },
    // Node 24.21 refuses them itself; older ones leave out what is too many.
    'more fields than Node keeps': { gives: [431], with: many(1500) },
    'GET with too much': { gives: [431, 'headers_too_large'], method: 'GET', with: [long(15_500)] },
    'DELETE with too much': { gives: [431, 'headers_too_large'], method: 'DELETE', with: [long(15_500)] }
  })

  await t.test('with what a hook adds on top', async t => {
    for (const request of [requestOf({ gives: [200], with: [long(15_000), 'X-Grow: 3000'] }, await openSession(nodes[0].url)),
      requestOf({ gives: [200], method: 'GET', with: [long(15_000), 'X-Grow: 3000'] }, await openSession(nodes[0].url))]) {
      const answer = await exchange(nodes[1].url, request)
      t.equal(answer.status, 431)
      t.equal(JSON.parse(answer.body).error.data.reason, 'headers_too_large', 'a clear answer at once, though the owner itself would take it')
    }
  })

  await t.test('up to the last byte that the owner takes', async t => {
    // What is refused is refused by both nodes, by Node's own measure of what is left for the hop.
    for (let length = 14_900; length < 15_500; length += 37) {
      const statuses: number[] = []
      for (const { url } of nodes) {
        const id = await openSession(nodes[0].url)
        statuses.push((await exchange(url, requestOf({ gives: [200], with: [long(length)] }, id))).status)
      }
      t.equal(statuses[1], statuses[0], `${length}: ${String(statuses)}`)
    }
  })
})

t.test('targets and methods', async t => {
  const table: Record<string, Row> = {
    'a query': { gives: [200], target: '/mcp?a=%20b&a=c&d#e' },
    'a whole url': { gives: [200], target: 'http://mcp.example/mcp?x=/y' },
    'a whole url of another host': { gives: [200], target: 'http://other.example:81/mcp' },
    'with escapes': { gives: [200], target: '/%6dc%70' },
    'broken escapes': { gives: [200], target: '/mcp?%zz=%' },
    'bytes beyond ASCII': { gives: [400], target: '/mcp?\xe9=\xff' },
    'HTTP/1.0': { gives: [200], version: '1.0', without: ['Connection'] },
    'HTTP/1.0 without Host': { gives: [200], version: '1.0', without: ['Host', 'Connection'] },
    'HTTP/1.1 without Host': { gives: [400], without: ['Host'] },
    'an empty Host': { gives: [200], without: ['Host'], with: ['Host:'] },
    HEAD: { gives: [405], method: 'HEAD' },
    PUT: { gives: [405, 'method_not_allowed'], method: 'PUT', body: SEEN },
    PATCH: { gives: [405, 'method_not_allowed'], method: 'PATCH', body: SEEN },
    OPTIONS: { gives: [404], method: 'OPTIONS' },
    'a method that nobody knows': { gives: [404], method: 'PROPFIND' },
    GET: { gives: [200], method: 'GET', open: true },
    'GET with a body': { gives: [200], method: 'GET', open: true, body: '{}' },
    'GET without Accept': { gives: [406, 'not_acceptable'], method: 'GET', without: ['Accept'] },
    'GET after an event of somebody else\'s': { gives: [200], method: 'GET', open: true, with: ['Last-Event-ID: x/1-0'] },
    DELETE: { gives: [200], method: 'DELETE' },
    'DELETE with a body': { gives: [200], method: 'DELETE', body: SEEN },
    'DELETE with a compressed body': { gives: [200], method: 'DELETE', body: gzipSync('{}'), with: ['Content-Encoding: gzip'] },
    'DELETE with a type and no body': { gives: [200], method: 'DELETE', with: [TYPE] },
    'DELETE of another version': { gives: [400, 'unsupported_protocol_version'], method: 'DELETE', with: ['MCP-Protocol-Version: 1.0'] },
    'DELETE of somebody else\'s': { gives: [404, 'unknown'], method: 'DELETE', without: ['Authorization'], with: ['Authorization: Bearer eve'] }
  }
  await run(t, await startNodes(t), {
    ...table,
    'a slash at the end': { gives: [404], target: '/mcp/' },
    'in capitals': { gives: [404], target: '/MCP' },
    'two slashes': { gives: [404], target: '//mcp' }
  })
  await run(t, await startNodes(t, {}, { routerOptions: { ignoreTrailingSlash: true, caseSensitive: false, ignoreDuplicateSlashes: true }, trustProxy: true }), {
    ...table,
    'a slash at the end': { gives: [200], target: '/mcp/' },
    'in capitals': { gives: [200], target: '/MCP?a' },
    'two slashes': { gives: [200], target: '//mcp' }
  })
  await run(t, await startNodes(t, {}, { rewriteUrl: ({ url }) => url!.replace('/legacy', '/mcp') }), {
    'rewritten by the application': { gives: [200], target: '/legacy?a' }
  })
})

t.test('a client of HTTP/2 gets what one of HTTP/1 gets from the owner', async t => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: '127.0.0.1' }])
  const [owner, other] = await startNodes(t, {}, {}, { http2: true, https: { key, cert, allowHTTP1: true } } as FastifyServerOptions)
  const session = connectHttp2(new URL(other.url).origin, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const rows: Record<string, Omit<Row, 'fields'> & { fields?: OutgoingHttpHeaders }> = {
    plain: { gives: [200] },
    'compressed, with a hook that decompresses': { gives: [200], fields: { 'content-encoding': 'gzip' }, body: gzipSync(SEEN) },
    'an empty field, and one twice': { gives: [200], fields: { 'x-odd': '', 'x-twice': ['1', '2'], cookie: ['a=1', 'b=2'], 'x-user': 'eve' } },
    'the session twice': { gives: [400, 'session_malformed'], fields: { 'mcp-session-id': ['a', 'b'] }, without: ['Mcp-Session-Id'] },
    'large fields': { gives: [200], fields: { 'x-long': 'x'.repeat(15_000) } },
    'more than could be passed on': { gives: [431, 'headers_too_large'], fields: { 'x-long': 'x'.repeat(15_600) } },
    'broken JSON': { gives: [400, 'parse_error'], body: '{' },
    PUT: { gives: [405, 'method_not_allowed'], method: 'PUT', body: SEEN },
    GET: { gives: [200], method: 'GET', open: true },
    DELETE: { gives: [200], method: 'DELETE' }
  }
  for (const [name, { fields: more, ...row }] of Object.entries(rows)) {
    const fields = Object.entries(more ?? {}).flatMap(([name, value]) => [value].flat().map(value => `${name}: ${String(value)}`))
    const direct = await openSession(owner.url)
    const expected = await exchange(owner.url, requestOf({ ...row, with: fields }, direct), { open: row.open ?? false })
    const id = await openSession(owner.url)
    const usual: OutgoingHttpHeaders = { ':authority': 'mcp.example', authorization: 'Bearer ada', 'mcp-session-id': id, accept: 'application/json, text/event-stream' }
    const { method = 'POST' } = row
    const body = row.body ?? (method === 'POST' ? SEEN : undefined)
    if (body !== undefined) usual['content-type'] = 'application/json'
    const stream = session.request({ ...usual, ...more, ':method': method, ':path': '/mcp' })
    stream.end(body)
    const [headers] = await once(stream, 'response')
    let text = ''
    if (row.open === true) stream.destroy()
    else for await (const chunk of stream) text += String(chunk)
    const [status, reason] = row.gives
    t.equal(headers[':status'], status, `${name}: ${text.slice(0, 300)}`)
    if (reason !== undefined) t.equal(JSON.parse(text).error.data.reason, reason, name)
    t.same({ status: headers[':status'], type: headers['content-type'], body: text.replaceAll(id, '<id>') },
      { status: expected.status, type: expected.headers['content-type'], body: expected.body.replaceAll(direct, '<id>') }, `${name}: the same`)
  }
})
