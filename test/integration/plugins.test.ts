// Plugins that usually stand in front: @fastify/helmet, @fastify/rate-limit and @fastify/cors, all at once, before both eras.
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import t from 'tap'
import type { Test } from 'tap'
import { request } from 'undici'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { lines } from '../fixtures/clients.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import type { Answer } from '../fixtures/http.ts'
import { callTool, connectPinned, modern, statelessServer } from '../fixtures/stateless.ts'

const ORIGIN = 'https://app.example.com'
/** As docs/eras.md has them. */
const FIELDS = ['Content-Type', 'Authorization', 'Last-Event-ID', 'Mcp-Session-Id', 'MCP-Protocol-Version', 'Mcp-Method', 'Mcp-Name', 'Mcp-Param-Region']
const PLENTY = 1000

/** `limit`: requests of one x-user. */
async function start (t: Test, limit = PLENTY): Promise<StartedApp> {
  return startApp(t, {
    allowedOrigins: [ORIGIN],
    stateless: { servers: 'shared', createServer: () => statelessServer() },
    stream: { wait: 1 }
  }, {
    before: async app => {
      await app.register(helmet)
      await app.register(cors, { origin: [ORIGIN], allowedHeaders: FIELDS, exposedHeaders: ['Mcp-Session-Id'] })
      await app.register(rateLimit, { max: limit, timeWindow: '1 hour', keyGenerator: ({ headers }) => String(headers['x-user']) })
    }
  })
}

/** What all of them have said in an answer. */
const FROM_ALL = { 'x-content-type-options': 'nosniff', 'access-control-allow-origin': ORIGIN, 'x-ratelimit-limit': String(PLENTY) }

t.test('every answer of both eras has what they say: JSON, streams, refusals', async t => {
  const { url } = await start(t)
  const id = await open(url, { origin: ORIGIN })
  const headers = { origin: ORIGIN }
  const progress = { ...modern('tools/call', { name: 'progress', arguments: { steps: 2, name: 'a' } }, { meta: { progressToken: 1 } }) }
  const answers: Record<string, [Answer, number, RegExp]> = {
    initialize: [await send(url, { body: initialize, headers }), 200, /^application\/json/],
    'a call in a session': [await inSession(url, id, call('echo', { message: 'a' }), headers), 200, /^application\/json/],
    'a stream of a session': [await inSession(url, id, { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'progress', arguments: { steps: 2 }, _meta: { progressToken: 1 } } }, headers), 200, /^text\/event-stream/],
    'a session that is none': [await inSession(url, 'x', call('echo', { message: 'a' }), headers), 404, /^application\/json/],
    'a call without a session': [await callTool(url, 'echo', { message: 'a' }, { headers }), 200, /^application\/json/],
    'its stream': [await send(url, { ...progress, headers: { ...progress.headers, ...headers } }), 200, /^text\/event-stream/],
    'its refusal': [await callTool(url, 'echo', {}, { headers: { ...headers, 'mcp-name': 'other' } }), 400, /^application\/json/]
  }
  for (const [what, [answer, status, type]] of Object.entries(answers)) t.match(answer, { status, headers: { ...FROM_ALL, 'content-type': type } }, what)
  const standalone = await request(url, { headers: { ...headers, accept: 'text/event-stream', 'mcp-session-id': id } })
  standalone.body.on('error', () => {}).destroy()
  t.match(standalone, { statusCode: 200, headers: FROM_ALL }, 'a stream of its own')
})

t.test('a browser may send what both eras need, and read the session\'s id', async t => {
  const { url } = await start(t)
  for (const field of FIELDS) {
    const preflight = await send(url, { method: 'OPTIONS', headers: { origin: ORIGIN, 'access-control-request-method': 'POST', 'access-control-request-headers': field } })
    t.equal(preflight.status, 204)
    t.ok(String(preflight.headers['access-control-allow-headers']).split(', ').includes(field), field)
  }
  t.match((await send(url, { body: initialize, headers: { origin: ORIGIN } })).headers, { 'access-control-expose-headers': 'Mcp-Session-Id' })
  const elsewhere = { origin: 'https://elsewhere.example' }
  t.match(await callTool(url, 'echo', { message: 'a' }, { headers: elsewhere }), { status: 403, body: { error: { data: { reason: 'origin_forbidden' } } } })
})

t.test('the limit holds for both eras together, for who has reached it, and not for internal paths', async t => {
  const { url, app } = await start(t, 4)
  const ann = { 'x-user': 'ann' }
  const id = await open(url, ann)
  t.equal((await inSession(url, id, call('count'), ann)).status, 200)
  for (let i = 0; i < 2; i++) t.equal((await callTool(url, 'echo', { message: 'a' }, { headers: ann })).status, 200)
  for (const answer of [await inSession(url, id, call('count'), ann), await callTool(url, 'echo', { message: 'a' }, { headers: ann })]) {
    t.match(answer, { status: 429, headers: { 'retry-after': String, 'x-ratelimit-remaining': '0' }, body: { statusCode: 429 } }, 'the plugin\'s own answer')
  }
  t.match(app.mcpSessions.counters, { opened: 1, stateless: 2 })
  t.equal(Object.values(app.mcpSessions.counters.refused).reduce((sum, count) => sum + count), 0, 'it is no refusal of ours')
  t.equal((await callTool(url, 'echo', { message: 'a' }, { headers: { 'x-user': 'bob' } })).status, 200)
  for (let i = 0; i < 6; i++) t.equal((await send(new URL('/mcp-sticky/ready', url).href, { method: 'GET', headers: ann })).status, 200)
})

t.test('clients of both SDK lines notice nothing', async t => {
  const { url } = await start(t)
  for (const connect of Object.values(lines)) t.equal(await (await connect(t, url)).call('echo', { message: 'hi' }), 'hi')
  const client = await connectPinned(t, url)
  t.match(await client.callTool({ name: 'rounds', arguments: { of: 2 } }), { content: [{ text: 'after 2' }] })
})
