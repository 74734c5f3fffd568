// Caps, time-outs, and whom a node talks to.
import t from 'tap'
import { request } from 'undici'
import type { FastifyRequest } from 'fastify'
import { startApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { createServer } from '../fixtures/session-server.ts'
import { until } from '../fixtures/until.ts'
import { waitingCall } from '../fixtures/waiting-call.ts'

const authorization = (request: FastifyRequest): string | undefined => request.headers.authorization

t.test('a full node says 503 and when to come back; a place is free again when a session ends', async t => {
  const { app, url, log } = await startApp(t, { session: { maxPerNode: 3 } })
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(url, { body: initialize })))
  t.equal(answers.filter(({ status }) => status === 200).length, 3, 'a burst does not pass the cap')
  const refused = answers.find(({ status }) => status === 503)!
  t.match(refused, { headers: { 'retry-after': /^\d+$/ }, body: { id: 1, error: { data: { reason: 'node_full' } } } })
  t.equal(app.mcpSessions.counters.refused['node_full'], 7)
  t.equal(log.filter(line => line['reason'] === 'node_full').length, 7)
  const id = answers.find(({ status }) => status === 200)!.headers['mcp-session-id'] as string
  t.equal((await send(url, { method: 'DELETE', headers: { 'mcp-session-id': id } })).status, 200)
  t.equal((await send(url, { body: initialize })).status, 200)
  t.equal((await send(url, { body: initialize })).status, 503)
})

t.test('a principal has a share of its own: 429', async t => {
  const { url } = await startApp(t, { principal: authorization, session: { maxPerPrincipal: 2 } })
  for (const status of [200, 200, 429]) t.equal((await send(url, { body: initialize, headers: { authorization: 'ada' } })).status, status)
  t.match(await send(url, { body: initialize, headers: { authorization: 'ada' } }), { body: { error: { data: { reason: 'principal_limit' } } } })
  t.equal((await send(url, { body: initialize, headers: { authorization: 'bob' } })).status, 200)
})

t.test('a place is given back when no session comes about', async t => {
  let fail = true
  const { app, url } = await startApp(t, {
    session: { maxPerNode: 1 },
    createServer: () => {
      if (fail) throw new Error('no database')
      return createServer()
    }
  })
  t.equal((await send(url, { body: initialize })).status, 500)
  t.equal((await send(url, { body: { ...initialize, params: { ...initialize.params, capabilities: 'none' } } })).status, 400)
  fail = false
  t.equal((await send(url, { body: initialize })).status, 200)
  t.equal(app.mcpSessions.size, 1)
})

t.test('wrong initialize params are refused by the field\'s name', async t => {
  const { app, url } = await startApp(t)
  const wrong: Array<[object, RegExp]> = [
    [{}, /protocolVersion/],
    [{ ...initialize.params, protocolVersion: 1 }, /protocolVersion/],
    [{ ...initialize.params, capabilities: [] }, /capabilities/],
    [{ ...initialize.params, clientInfo: { name: 'x' } }, /clientInfo\.version/],
    [{ ...initialize.params, clientInfo: undefined }, /clientInfo/]
  ]
  for (const [params, field] of wrong) {
    t.match(await send(url, { body: { ...initialize, params } }), { status: 400, body: { id: 1, error: { code: -32602, message: field, data: { reason: 'initialize_invalid' } } } })
  }
  t.equal(app.mcpSessions.counters.opened, 0)
})

t.test('a session that nobody comes back to ends early; one in use does not', async t => {
  const { app, url } = await startApp(t, { session: { firstUseTimeout: 1000, idleTimeout: 3_600_000 } })
  const abandoned = await open(url)
  const used = await open(url)
  t.equal((await inSession(url, used, { jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202)
  await until('it is reaped', () => app.mcpSessions.counters.ended.never_used === 1)
  t.equal(app.mcpSessions.get(abandoned), undefined)
  t.ok(app.mcpSessions.get(used))
  t.equal((await inSession(url, abandoned, call('count'))).body.error.data.reason, 'unknown')
})

t.test('an idle session ends; an open stream or a call in flight keeps it', async t => {
  const { app, url } = await startApp(t, { session: { idleTimeout: 1000 } })
  const [idle, streaming, calling] = [await open(url), await open(url), await open(url)]
  const stream = await request(url, { headers: { accept: 'text/event-stream', 'mcp-session-id': streaming } })
  const { answer, release } = await waitingCall(url, calling)
  await until('the idle one is reaped', () => app.mcpSessions.get(idle) === undefined)
  const after = app.mcpSessions.counters.ended.idle + await reapedAfterTwoMore(app, url)
  t.ok(app.mcpSessions.get(streaming) && app.mcpSessions.get(calling), `kept while ${after} idle ones were reaped`)

  release()
  // JSON or, once the call has taken long enough, SSE.
  t.match((await answer).text, /"text":"released"/)
  stream.body.on('error', () => {}).destroy()
  await until('both are reaped when nothing keeps them', () => app.mcpSessions.size === 0)

  /** Two sessions that are opened now are reaped after the others would have been. */
  async function reapedAfterTwoMore (app: { mcpSessions: { get: (id: string) => unknown } }, url: string): Promise<number> {
    for (let i = 0; i < 2; i++) {
      const id = await open(url)
      await until('a later one is reaped', () => app.mcpSessions.get(id) === undefined)
    }
    return 2
  }
})

t.test('on loopback other hosts and foreign origins are refused, whatever the verb', async t => {
  const { app, url, log } = await startApp(t)
  const id = await open(url)
  for (const method of ['POST', 'GET', 'DELETE', 'PUT'] as const) {
    const body = method === 'POST' ? call('count') : undefined
    for (const [headers, reason, option] of [
      [{ host: 'evil.example' }, 'host_forbidden', 'allowedHosts'],
      [{ origin: 'http://evil.example' }, 'origin_forbidden', 'allowedOrigins']
    ] as const) {
      const answer = await send(url, { method, body, headers: { 'mcp-session-id': id, ...headers } })
      t.match(answer, { status: 403, body: { error: { data: { reason } } } }, `${method} ${reason}`)
      t.notMatch(answer.text, /evil/)
      t.ok(log.some(line => line['reason'] === reason && line.level === 40 && String(line['hint']).includes(option)), 'the log names the option')
    }
  }
  t.ok(app.mcpSessions.get(id))
  t.equal((await inSession(url, id, call('count'), { origin: new URL(url).origin })).status, 200)
})

t.test('with node.url set the proxy answers for Host; allowed hosts and origins are served', async t => {
  const behind = await startApp(t, { node: { url: `http://127.0.0.1:${await freePort()}` } })
  t.equal((await send(behind.url, { body: initialize, headers: { host: 'mcp.example.com', origin: 'https://mcp.example.com' } })).status, 200)
  t.equal((await send(behind.url, { body: initialize, headers: { host: 'mcp.example.com', origin: 'https://other.example.com' } })).status, 403)
  const listed = await startApp(t, { allowedHosts: ['mcp.example.com'], allowedOrigins: ['https://app.example.com'] })
  t.equal((await send(listed.url, { body: initialize, headers: { host: 'mcp.example.com', origin: 'https://app.example.com' } })).status, 200)
  t.equal((await send(listed.url, { body: initialize })).status, 403)
})

t.test('a principal may be a promise; its errors are the application\'s', async t => {
  const { url } = await startApp(t, {
    principal: async request => {
      if (request.headers.authorization === 'broken') throw Object.assign(new Error('token expired'), { statusCode: 401 })
      return request.headers.authorization ? { issuer: 'i', subject: request.headers.authorization } : null
    },
    authInfo: async () => ({ token: 'x', clientId: 'y', scopes: [] })
  })
  const id = await open(url, { authorization: 'ada' })
  t.equal((await inSession(url, id, call('count'), { authorization: 'ada' })).status, 200)
  t.equal((await inSession(url, id, call('count'), { authorization: 'bob' })).status, 404)
  t.match(await inSession(url, id, call('count'), { authorization: 'broken' }), { status: 401, body: { message: 'token expired' } })
})

t.test('a session that was opened by nobody in particular answers to nobody else', async t => {
  const { url } = await startApp(t, { principal: authorization })
  const id = await open(url)
  t.equal((await inSession(url, id, call('count'))).status, 200)
  t.equal((await inSession(url, id, call('count'), { authorization: 'ada' })).status, 404)
})

t.test('versions: the negotiated one without a header, known ones with, others refused', async t => {
  const { url } = await startApp(t)
  const id = await open(url)
  for (const version of ['2025-03-26', '2025-06-18', '2025-11-25']) t.equal((await inSession(url, id, call('count'), { 'mcp-protocol-version': version })).status, 200, version)
  for (const version of ['2026-07-28', '1999-01-01', 'x']) {
    for (const method of ['POST', 'GET', 'DELETE'] as const) {
      const answer = await send(url, { method, body: method === 'POST' ? call('count') : undefined, headers: { 'mcp-session-id': id, 'mcp-protocol-version': version } })
      t.match(answer, { status: 400, body: { error: { code: -32000, data: { reason: 'unsupported_protocol_version' } } } }, `${method} ${version}`)
    }
  }
})

t.test('requests of the stateless era are sent back to initialize', async t => {
  const { url } = await startApp(t)
  const answer = await send(url, { body: { jsonrpc: '2.0', id: 7, method: 'server/discover', params: {} }, headers: { 'mcp-protocol-version': '2026-07-28' } })
  t.match(answer, { status: 400, body: { id: 7, error: { code: -32000, data: { reason: 'sessions_only' } } } })
})

t.test('batches: in 2025-03-26 sessions, never with initialize in them', async t => {
  const { url } = await startApp(t)
  const batch = [call('echo', { message: 'a' }, 'x'), { jsonrpc: '2.0', method: 'notifications/initialized' }, call('echo', { message: 'b' }, 'y')]
  const newer = await open(url)
  t.match(await inSession(url, newer, batch), { status: 400, body: { error: { data: { reason: 'batch_unsupported' } } } })
  t.match(await send(url, { body: [initialize] }), { status: 400, body: { error: { data: { reason: 'batch_unsupported' } } } })
  const older = await send(url, { body: { ...initialize, params: { ...initialize.params, protocolVersion: '2025-03-26' } } })
  const id = older.headers['mcp-session-id'] as string
  t.match(await inSession(url, id, batch), { status: 200, body: [{ id: 'x', result: { content: [{ text: 'a' }] } }, { id: 'y', result: { content: [{ text: 'b' }] } }] })
  t.match(await inSession(url, id, [initialize]), { status: 400, body: { error: { data: { reason: 'batch_unsupported' } } } })
})

t.test('an id that is still in flight is refused, and works again afterwards', async t => {
  const { url } = await startApp(t)
  const id = await open(url)
  const { answer: first, release } = await waitingCall(url, id, 'same')
  t.match(await inSession(url, id, call('count', {}, 'same')), { status: 400, body: { id: 'same', error: { data: { reason: 'request_id_in_use' } } } })
  release()
  t.equal((await first).status, 200)
  t.equal((await inSession(url, id, call('count', {}, 'same'))).status, 200)
})

t.test('what a client makes up does not come back by the megabyte', async t => {
  const { url, log } = await startApp(t)
  const id = await open(url)
  const answer = await inSession(url, id, { ...call('count'), ['x'.repeat(1_000_000)]: 1 })
  t.match(answer, { status: 400, body: { error: { data: { reason: 'invalid_request' } } } })
  t.ok(answer.text.length < 1000)
  t.ok(log.every(line => JSON.stringify(line).length < 5000))
})
