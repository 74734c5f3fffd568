import bearerAuth from '@fastify/bearer-auth'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import mcpSticky, { InsufficientScopeError } from '../../../lib/index.ts'
import type { McpStickyOptions } from '../../../lib/index.ts'
import { startApp } from '../../fixtures/app.ts'
import { startCluster } from '../../fixtures/cluster.ts'
import { call, initialize, inSession, open, send } from '../../fixtures/http.ts'
import type { Answer } from '../../fixtures/http.ts'
import { startRedis } from '../../fixtures/redis.ts'
import { createServer } from '../../fixtures/session-server.ts'
import { ask } from '../../fixtures/stateless.ts'

const oauth = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'], scopes: ['a', 'b'] }
const METADATA = 'resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"'
const WHOLE = `Bearer ${METADATA}, scope="a b"`
const told = ({ status, headers }: Answer) => [status, headers['www-authenticate']]

/** Requests of every verb, and of both eras. */
const WAYS: Record<string, (url: string, headers?: Record<string, string>) => Promise<Answer>> = {
  initialize: (url, headers = {}) => send(url, { body: initialize, headers }),
  GET: (url, headers = {}) => send(url, { method: 'GET', headers: { 'mcp-session-id': 'x', ...headers } }),
  DELETE: (url, headers = {}) => send(url, { method: 'DELETE', headers: { 'mcp-session-id': 'x', ...headers } }),
  'a call without a session': (url, headers = {}) => ask(url, 'tools/list', {}, { headers }),
  discover: (url, headers = {}) => ask(url, 'server/discover', {}, { headers })
}

const unauthorized = (): Error => Object.assign(new Error('who?'), { statusCode: 401 })

async function start (t: Test, options: Partial<McpStickyOptions>, before?: (app: FastifyInstance) => unknown) {
  return startApp(t, { oauth, principal: () => 'ann', stateless: {}, createServer: () => createServer(), ...options }, { ...before && { before } })
}

const ANSWERERS: Record<string, [before: ((app: FastifyInstance) => unknown) | undefined, options?: Partial<McpStickyOptions>]> = {
  '@fastify/bearer-auth for the whole application': [app => app.register(bearerAuth, { keys: ['secret'], verifyErrorLogLevel: 'debug' })],
  '@fastify/jwt in a hook of the application': [async app => {
    await app.register(jwt, { secret: 'secret' })
    app.addHook('onRequest', async request => { await request.jwtVerify() })
  }],
  'a hook that replies': [app => app.addHook('preValidation', async (_request, reply) => reply.code(401).send('no'))],
  'a hook of the route that throws': [undefined, { routeOptions: { preHandler: async () => { throw unauthorized() } } }],
  'an error handler of the application': [app => app.setErrorHandler((_error, _request, reply) => reply.code(401).send({ mine: true })), { routeOptions: { onRequest: async () => { throw new Error('any') } } }],
  'an error handler of the route': [undefined, { routeOptions: { onRequest: async () => { throw new Error('any') }, errorHandler: (_error, _request, reply) => { reply.code(401).send('mine') } } }],
  'an onSend hook of the route': [undefined, { routeOptions: { onSend: async (_request, reply, payload) => { reply.code(401); return payload } } }]
}

for (const [who, [before, options = {}]] of Object.entries(ANSWERERS)) {
  t.test(`a 401 by ${who} leads to the authorization server`, async t => {
    const { url } = await start(t, options, before)
    for (const [way, request] of Object.entries(WAYS)) t.strictSame(told(await request(url)), [401, WHOLE], way)
  })
}

t.test('so does one that principal or authInfo throws', async t => {
  for (const options of [{ principal: () => { throw unauthorized() } }, { authInfo: async () => { throw unauthorized() } }]) {
    const { url } = await start(t, options)
    for (const way of ['initialize', 'a call without a session']) t.strictSame(told(await WAYS[way]!(url)), [401, WHOLE], way)
  }
})

t.test('what a challenge says stays', async t => {
  const { url } = await start(t, {}, app => app.addHook('onRequest', async (request, reply) => {
    if (request.headers['x-raw'] !== undefined) reply.raw.setHeader('www-authenticate', 'Bearer error="invalid_token"')
    else reply.header('www-authenticate', 'Basic realm="x", Bearer error="invalid_token", scope="c"')
    return reply.code(401).send()
  }))
  t.strictSame(told(await send(url, { body: initialize })), [401, `Bearer error="invalid_token", scope="c", ${METADATA}, Basic realm="x"`])
  t.strictSame(told(await send(url, { body: initialize, headers: { 'x-raw': '1' } })), [401, `Bearer error="invalid_token", ${METADATA}, scope="a b"`])
})

t.test('other answers, and other routes, have none', async t => {
  const { url } = await start(t, {}, app => { app.get('/other', async (_request, reply) => reply.code(401).send()) })
  t.strictSame(told(await send(url, { body: initialize })), [200, undefined])
  t.strictSame(told(await send(url, { body: call('count'), headers: { 'mcp-session-id': 'x' } })), [404, undefined])
  t.strictSame(told(await send(url, { body: initialize, headers: { origin: 'https://evil.example' } })), [403, undefined])
  t.strictSame(told(await send(new URL('/other', url).href, { method: 'GET' })), [401, undefined])
})

t.test('endpoints have their own, below any prefix', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', async (_request, reply) => reply.code(401).send())
  await app.register(async api => {
    await api.register(mcpSticky, { createServer, oauth, principal: () => 'ann' })
    await api.register(mcpSticky, { name: 'admin', path: '/admin', createServer, principal: () => 'ann', oauth: { ...oauth, resource: 'https://mcp.example.com/api/admin', scopes: [] } })
    await api.register(mcpSticky, { name: 'open', path: '/open', createServer })
  }, { prefix: '/api' })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  t.strictSame(told(await send(`${origin}/api/mcp`, { body: initialize })), [401, WHOLE])
  t.strictSame(told(await send(`${origin}/api/admin`, { body: initialize })), [401, 'Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/api/admin"'])
  t.strictSame(told(await send(`${origin}/api/open`, { body: initialize })), [401, undefined])
})

t.test('a missing scope is named, whoever finds it out and whoever answers', async t => {
  const missing = async (): Promise<never> => { throw new InsufficientScopeError(['a', 'c']) }
  const named = `Bearer error="insufficient_scope", scope="a c", ${METADATA}`
  for (const [what, options] of Object.entries({ hook: { routeOptions: { preHandler: missing } }, principal: { principal: missing }, authInfo: { authInfo: missing } })) {
    for (const before of [undefined, (app: FastifyInstance) => app.setErrorHandler((error: Error & { statusCode: number }, _request, reply) => reply.code(error.statusCode).send({ mine: error.message }))]) {
      const { url } = await start(t, options, before)
      for (const way of ['initialize', 'a call without a session']) {
        const answer = await WAYS[way]!(url)
        t.strictSame(told(answer), [403, named], `${what}, ${way}`)
        t.match(answer.body, before === undefined ? { code: 'MCP_STICKY_ERR_INSUFFICIENT_SCOPE' } : { mine: /: a c$/ })
      }
    }
  }
  const byHand = await start(t, { routeOptions: { onRequest: async (_request, reply) => reply.code(403).header('www-authenticate', 'Bearer error="insufficient_scope", scope="c"').send() } })
  t.strictSame(told(await send(byHand.url, { body: initialize })), [403, `Bearer error="insufficient_scope", scope="c", ${METADATA}`])
  const without = await startApp(t, { routeOptions: { preHandler: missing } })
  t.strictSame(told(await send(without.url, { body: initialize })), [403, 'Bearer error="insufficient_scope", scope="a c"'], 'without the option it names no metadata')
})

t.test('a request that another node answers with 401 or 403 leads there too, whether that node knows of tokens or not', async t => {
  const redis = await startRedis(t)
  const refusals: Record<string, () => Error> = { 401: unauthorized, 403: () => new InsufficientScopeError('c') }
  const [a, knows, lacks] = await startCluster(t, redis, ['a', 'knows', 'lacks'], id => ({
    ...id !== 'lacks' && { oauth },
    principal: request => {
      const refuse = request.headers['mcp-sticky-hop'] === undefined ? undefined : refusals[String(request.headers['x-refuse'])]
      if (refuse !== undefined) throw refuse()
      return 'ann'
    }
  }))
  for (const owner of [knows, lacks]) {
    const id = await open(owner.url)
    t.match(await inSession(a.url, id, call('count')), { status: 200 })
    t.strictSame(told(await inSession(a.url, id, call('count'), { 'x-refuse': '401' })), [401, WHOLE], owner.app.mcpSessions.node.id)
    t.strictSame(told(await inSession(a.url, id, call('count'), { 'x-refuse': '403' })), [403, `Bearer error="insufficient_scope", scope="c", ${METADATA}`])
  }
  t.equal(a.app.mcpSessions.counters.forwarded, 6)
})
