// The listener for operators: on a port of its own, outside the application.
import { connect as connectSocket } from 'node:net'
import { once } from 'node:events'
import Fastify from 'fastify'
import t from 'tap'
import mcpSticky from '../../lib/index.ts'
import { mcpStickyMetrics } from '../../lib/metrics/index.ts'
import { mcpStickyTraefik } from '../../lib/traefik/index.ts'
import { startApp } from '../fixtures/app.ts'
import { call, inSession, open } from '../fixtures/http.ts'
import { createServer } from '../fixtures/session-server.ts'
import { freePort } from '../fixtures/free-port.ts'

const ops = { port: 0 }
const get = async (url: string, init: RequestInit = {}) => {
  const response = await fetch(url, init)
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

t.test('health, metrics and the document for Traefik are there, whatever hooks the application has', async t => {
  const { app, url } = await startApp(t, { ops }, {
    before: app => { app.addHook('onRequest', async (request, reply) => { if (request.headers.authorization !== 'me') return reply.code(401).send() }) },
    after: async app => {
      await app.register(mcpStickyMetrics)
      await app.register(mcpStickyTraefik, { token: 't' })
    }
  })
  const at = app.mcpSessions.opsUrl!
  t.match(at, /^http:\/\/127\.0\.0\.1:\d+$/)
  for (const path of ['ready', 'alive', 'live']) {
    t.match(await get(`${at}/mcp-sticky/${path}`), { status: 200, text: '{"state":"open"}' }, path)
    t.match(await get(`${new URL(url).origin}/mcp-sticky/${path}`), { status: 200 }, `${path} is where proxies ask, too`)
  }
  t.match(await get(`${at}/metrics`), { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', text: 'mcp_sticky_sessions' })
  t.equal((await get(`${new URL(url).origin}/metrics`, { headers: { authorization: 'me' } })).status, 404, 'not for clients')
  t.equal((await get(`${at}/mcp-sticky/traefik`)).status, 401)
  t.not((await get(`${at}/mcp-sticky/traefik`, { headers: { authorization: 'Bearer t' } })).status, 401)
  t.equal((await get(`${new URL(url).origin}/mcp-sticky/traefik`, { headers: { authorization: 'me' } })).status, 404)
  t.match(await get(`${at}/other?x=/metrics`), { status: 404, text: '"/metrics"' }, 'it says what there is')
  t.match(await get(`${at}/metrics`, { method: 'POST' }), { status: 405 })
  t.match(await get(`${at}/metrics`, { method: 'HEAD' }), { status: 200, text: '' })
  t.equal((await get(`${at}/mcp`, { method: 'POST' })).status, 405, 'no sessions there')
  const id = await open(url, { authorization: 'me' })
  t.equal((await inSession(url, id, call('count'), { authorization: 'me' })).status, 200)
})

t.test('it is the last to close, whoever holds a connection to it', async t => {
  let state: string | undefined
  let at = ''
  const { app } = await startApp(t, { ops }, { after: app => { app.addHook('preClose', async () => { state = (await get(`${at}/mcp-sticky/live`)).text }) } })
  at = app.mcpSessions.opsUrl!
  const { hostname, port } = new URL(at)
  const idle = connectSocket(Number(port), hostname)
  await once(idle, 'connect')
  const half = connectSocket(Number(port), hostname)
  half.write('GET /metrics HTTP/1.1\r\n')
  await once(half, 'connect')
  idle.resume()
  half.resume()
  await Promise.all([app.close(), once(idle, 'close'), once(half, 'close')])
  t.match(state, /"state"/, 'it answers while the application closes')
  await t.rejects(get(`${at}/mcp-sticky/live`))
})

t.test('a path may end in a slash, and is nobody else\'s', async t => {
  const { app } = await startApp(t, { ops }, { after: async app => { await app.register(mcpStickyMetrics, { path: '/metrics/' }) } })
  for (const path of ['/metrics', '/metrics/']) t.equal((await get(`${app.mcpSessions.opsUrl}${path}`)).status, 200, path)
  await t.rejects(startApp(t, { ops }, { after: async app => { await app.register(mcpStickyMetrics, { path: '/mcp-sticky/ready' }) } }), { code: 'MCP_STICKY_ERR_OPTION', message: /path/ })
})

t.test('it is not ready before the application listens', async t => {
  const { app, url } = await startApp(t, { ops })
  t.match(await get(`${app.mcpSessions.opsUrl}/mcp-sticky/ready`), { status: 200 })
  t.ok(url)
  const early = Fastify()
  t.teardown(() => early.close())
  await early.register(mcpSticky, { createServer, ops })
  await early.ready()
  const at = early.mcpSessions.opsUrl!
  t.match(await get(`${at}/mcp-sticky/ready`), { status: 503, text: '{"state":"starting"}' })
  t.match(await get(`${at}/mcp-sticky/live`), { status: 200 })
  await early.listen({ host: '127.0.0.1', port: 0 })
  t.match(await get(`${at}/mcp-sticky/ready`), { status: 200 })
})

t.test('what it cannot listen at, and what is no address, is said at the start', async t => {
  const port = await freePort()
  await startApp(t, { ops: { port } })
  await t.rejects(startApp(t, { ops: { port } }), { code: 'MCP_STICKY_ERR_OPTION', message: /ops\.port.*EADDRINUSE/ })
  for (const [option, wrong] of [['ops.port', {}], ['ops.port', { port: 70000 }], ['ops.host', { host: 'a b', port: 0 }], ['ops.path', { port: 0, path: '/' }], ['ops', 1]] as const) {
    await t.rejects(startApp(t, { ops: wrong as never }), { code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(option) }, `${option} ${JSON.stringify(wrong)}`)
  }
})
