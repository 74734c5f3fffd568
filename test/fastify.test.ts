// What the plugin must leave alone in the application that registers it, and
// what it must take from it: the Fastify facts of the design, one test each.
import bearerAuth from '@fastify/bearer-auth'
import cors from '@fastify/cors'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Redis } from 'ioredis'
import t from 'tap'
import mcpSticky from '../lib/index.ts'
import { startApp } from './fixtures/app.ts'
import { call, initialize, inSession, open, send } from './fixtures/http.ts'
import { createServer } from './fixtures/session-server.ts'

const base = (url: string): string => new URL('/', url).href

// As an application says what its routes' config may have.
declare module 'fastify' {
  interface FastifyContextConfig { scope?: string }
}

t.test('the application keeps its own JSON routes, body errors and parsers', async t => {
  const { app, url } = await startApp(t, {}, {
    before: app => {
      app.post('/json', async request => ({ body: request.body, buffer: Buffer.isBuffer(request.body) }))
      app.addContentTypeParser('text/csv', { parseAs: 'string' }, (_request, body, done) => done(null, body.toString().split(',')))
    }
  })
  t.ok(app.mcpSessions)
  const answer = await send(`${base(url)}json`, { body: { a: 1 } })
  t.same(answer.body, { body: { a: 1 }, buffer: false })
  t.match((await send(`${base(url)}json`, { body: '{' })).body, { statusCode: 400, code: 'FST_ERR_CTP_INVALID_JSON_BODY' })
  t.same((await send(`${base(url)}json`, { body: 'a,b', headers: { 'content-type': 'text/csv' } })).body.body, ['a', 'b'])
})

t.test('the application\'s error handler gets its own errors and the hooks\' errors, unchanged', async t => {
  class Teapot extends Error { statusCode = 418 }
  const { url } = await startApp(t, {
    routeOptions: { onRequest: async (request: FastifyRequest) => { if (request.headers.authorization === undefined) throw Object.assign(new Error('who?'), { statusCode: 401 }) } }
  }, {
    before: app => {
      app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => reply.code(error.statusCode ?? 500).send({ mine: error.message }))
      app.get('/teapot', async () => { throw new Teapot('short and stout') })
    }
  })
  t.match(await send(`${base(url)}teapot`, { method: 'GET' }), { status: 418, body: { mine: 'short and stout' } })
  t.match(await send(url, { body: initialize }), { status: 401, body: { mine: 'who?' } })
  t.match(await send(url, { body: '{', headers: { authorization: 'x' } }), { status: 400, body: { error: { code: -32700 } } })
})

t.test('a broken body is a JSON-RPC error', async t => {
  const { url } = await startApp(t, { routeOptions: { bodyLimit: 1000 } })
  const broken: Array<[string | undefined, number, string]> = [
    ['{', 400, 'parse_error'],
    [undefined, 400, 'parse_error'],
    ['', 400, 'parse_error'],
    ['{"__proto__": {"x": 1}}', 400, 'parse_error'],
    ['"text"', 400, 'invalid_request'],
    ['[]', 400, 'invalid_request'],
    [JSON.stringify({ ...initialize, params: { pad: 'x'.repeat(1000) } }), 413, 'body_too_large']
  ]
  for (const [body, status, reason] of broken) {
    const answer = await send(url, { body })
    t.match(answer, { status, body: { jsonrpc: '2.0', id: null, error: { data: { reason } } } }, String(body).slice(0, 30))
    t.match(answer.headers['content-type'], /^application\/json/)
  }
})

t.test('the application\'s rules for prototype poisoning hold', async t => {
  const body = JSON.stringify(initialize).replace('{"jsonrpc"', '{"__proto__":{"x":1},"jsonrpc"')
  const strict = await startApp(t)
  t.equal((await send(strict.url, { body })).body.error.data.reason, 'parse_error')
  const removing = await startApp(t, {}, { fastify: { onProtoPoisoning: 'remove' } })
  t.equal((await send(removing.url, { body })).status, 200)
})

t.test('DELETE with a JSON content type and no body is a DELETE', async t => {
  const { url } = await startApp(t)
  const id = await open(url)
  t.equal((await send(url, { method: 'DELETE', headers: { 'mcp-session-id': id, 'content-type': 'application/json' } })).status, 200)
})

t.test('HEAD is answered, PUT and PATCH are refused with Allow, OPTIONS is left to CORS plugins', async t => {
  const { url } = await startApp(t, {}, { before: app => app.register(cors, { exposedHeaders: ['Mcp-Session-Id'] }) })
  t.match(await send(url, { method: 'HEAD' }), { status: 405, headers: { allow: 'GET, POST, DELETE' }, text: '' })
  for (const method of ['PUT', 'PATCH'] as const) {
    t.match(await send(url, { method, body: {}, headers: { 'content-type': 'application/json' } }), {
      status: 405, headers: { allow: 'GET, POST, DELETE' }, body: { error: { data: { reason: 'method_not_allowed' } } }
    })
  }
  const preflight = await send(url, { method: 'OPTIONS', headers: { origin: new URL(url).origin, 'access-control-request-method': 'POST' } })
  t.equal(preflight.status, 204)
  const answer = await send(url, { body: initialize, headers: { origin: new URL(url).origin } })
  t.equal(answer.status, 200)
  t.equal(answer.headers['access-control-expose-headers'], 'Mcp-Session-Id')
})

t.test('without a CORS plugin OPTIONS is the application\'s 404', async t => {
  const { url } = await startApp(t)
  t.equal((await send(url, { method: 'OPTIONS' })).status, 404)
})

t.test('JSON answers and refusals run onSend hooks; streams carry the headers set before them', async t => {
  const { url } = await startApp(t, {}, {
    before: app => {
      app.addHook('onRequest', async (_request, reply) => { reply.header('x-early', 'yes') })
      app.addHook('onSend', async (_request, reply, payload) => { reply.header('x-sent', 'yes'); return payload })
    }
  })
  const opened = await send(url, { body: initialize })
  t.match(opened.headers, { 'x-early': 'yes', 'x-sent': 'yes' })
  const id = opened.headers['mcp-session-id'] as string
  t.match((await inSession(url, id, call('echo', { message: 'hi' }))).headers, { 'x-sent': 'yes', 'content-type': /^application\/json/ })
  t.match((await send(url, { method: 'GET' })).headers, { 'x-sent': 'yes' })
  const { request } = await import('undici')
  const stream = await request(url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  t.match(stream.headers, { 'x-early': 'yes', 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  stream.body.destroy()
})

t.test('prefix and path are honoured', async t => {
  const { app, url } = await startApp(t, { prefix: '/v1', path: '/tools/mcp' })
  t.match(url, /\/v1\/tools\/mcp$/)
  t.equal((await send(url, { body: initialize })).status, 200)
  t.equal((await app.inject({ method: 'POST', url: '/mcp' })).statusCode, 404)
})

t.test('routeOptions reach the route', async t => {
  const { url } = await startApp(t, {
    routeOptions: { config: { scope: 'mcp' } as object, preHandler: async (request, reply) => { reply.header('x-scope', (request.routeOptions.config as unknown as { scope: string }).scope) } }
  })
  t.equal((await send(url, { body: initialize })).headers['x-scope'], 'mcp')
})

t.test('registering twice and wrong options fail at register', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer })
  await t.rejects(async () => { await app.register(mcpSticky, { createServer }) }, { code: 'MCP_STICKY_ERR_ALREADY_REGISTERED' })
  const wrong = Fastify()
  t.teardown(() => wrong.close())
  await t.rejects(async () => { await wrong.register(mcpSticky, { createServer, redis: 'sessions' }) }, { code: 'MCP_STICKY_ERR_OPTION', message: /`redis`/ })
})

t.test('without Redis the log says once that the directory is in memory', async t => {
  const { log, url } = await startApp(t)
  await open(url)
  t.equal(log.filter(line => /in memory/.test(line.msg)).length, 1)
})

t.test('the log says where callers are told apart and their sessions are not', async t => {
  const oauth = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] }
  const guard = (addHook: boolean) => (app: FastifyInstance) => app.register(bearerAuth, { keys: ['a', 'b'], addHook })
  const principal = (): undefined => undefined
  for (const [what, options, before, warned] of [
    ['oauth', { oauth }, undefined, /oauth is set and principal is not/],
    ['authInfo', { authInfo: () => undefined }, undefined, /authInfo is set and principal is not/],
    ['@fastify/bearer-auth', {}, guard(true), /bearer-auth is registered and principal is not/],
    ['nothing', {}, undefined, undefined],
    ['@fastify/bearer-auth that guards no route by itself', {}, guard(false), undefined],
    ['all, with principal', { oauth, authInfo: () => undefined, principal }, guard(true), undefined]
  ] as const) {
    const { log } = await startApp(t, options, { ...before && { before } })
    const lines = log.filter(({ level, msg }) => level === 40 && /principal is not/.test(msg))
    t.strictSame(lines.map(({ endpoint }) => endpoint), warned === undefined ? [] : ['default'], what)
    if (warned !== undefined) t.match(lines[0]!.msg, warned)
  }
})

t.test('works over HTTP/2, where Connection headers are errors', async t => {
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer, responseMode: 'sse' })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const { connect } = await import('node:http2')
  const client = connect(origin)
  t.teardown(() => client.close())
  const stream = client.request({ ':method': 'POST', ':path': '/mcp', 'content-type': 'application/json', accept: 'application/json, text/event-stream' })
  stream.end(JSON.stringify(initialize))
  let text = ''
  const headers: Record<string, unknown> = {}
  stream.on('response', got => Object.assign(headers, got))
  for await (const chunk of stream) text += String(chunk)
  t.equal(headers[':status'], 200)
  t.ok(headers['mcp-session-id'])
  t.match(text, /^event: message\ndata: \{/)
})

t.test('an application whose start failed elsewhere can be closed', async t => {
  const redis = new Redis({ lazyConnect: true, port: 1, retryStrategy: () => null })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  const app = Fastify()
  await app.register(mcpSticky, { createServer, redis })
  app.register(async () => { throw new Error('another plugin') })
  await t.rejects(async () => { await app.ready() }, { message: 'another plugin' })
  await t.resolves(app.close())
})
