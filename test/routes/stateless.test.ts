// The rows of the revision over HTTP: what is refused, by which status and code, for both kinds of servers and both SDK lines.
import t from 'tap'
import type { McpStickyOptions } from '../../lib/index.ts'
import { META, REVISION } from '../../lib/stateless/revision.ts'
import { startApp } from '../fixtures/app.ts'
import { call, initialize, open, send } from '../fixtures/http.ts'
import { createServer } from '../fixtures/session-server.ts'
import { ask, callTool, connectPinned, META_BARE, modern, statelessServer } from '../fixtures/stateless.ts'

const kinds: Record<string, Partial<McpStickyOptions>> = {
  each: { stateless: { createServer: () => statelessServer() } },
  shared: { stateless: { servers: 'shared', createServer: () => statelessServer() } },
  'each, of the sessions\' createServer, SDK 1.x': { stateless: {} },
  'shared, SDK 1.x': { stateless: { servers: 'shared', createServer } }
}

for (const [kind, options] of Object.entries(kinds)) {
  t.test(kind, async t => {
    const { url, app } = await startApp(t, options)
    const refused = app.mcpSessions.counters.refused

    t.test('clients that are pinned to it, and those that look first', async t => {
      for (const mode of ['auto', { pin: REVISION }] as const) {
        const client = await connectPinned(t, url, {}, mode)
        t.equal(client.getNegotiatedProtocolVersion(), REVISION)
        t.ok((await client.listTools()).tools.some(({ name }) => name === 'echo'))
        t.match(await client.callTool({ name: 'echo', arguments: { message: 'hi' } }), { content: [{ text: 'hi' }] })
      }
    })

    t.test('discover, and what every result has', async t => {
      const { status, body, headers } = await ask(url, 'server/discover')
      t.equal(status, 200)
      t.match(body.result, { supportedVersions: [REVISION], resultType: 'complete', ttlMs: Number, cacheScope: /^(public|private)$/, _meta: { [META.serverInfo]: { name: /.+-server/ } } })
      t.notHas(body.result.capabilities, 'tasks')
      t.notHas(body.result.capabilities.tools, 'listChanged', 'nobody can listen yet')
      t.notHas(headers, 'mcp-session-id')
      t.match((await ask(url, 'tools/list')).body.result, { resultType: 'complete', ttlMs: Number, cacheScope: String })
      t.match((await callTool(url, 'echo', { message: 'x' }, { id: 'a b' })).body, { id: 'a b', result: { resultType: 'complete' } })
    })

    t.test('what is refused', async t => {
      const echo = { name: 'echo', arguments: { message: 'x' } }
      const rows: Array<[string, ReturnType<typeof modern> | { body: unknown, headers?: Record<string, string> }, number, number, string]> = [
        ['no version field', modern('tools/list', {}, { headers: { 'mcp-protocol-version': null } }), 400, -32020, 'header_mismatch'],
        ['another version field', modern('tools/list', {}, { headers: { 'mcp-protocol-version': '2025-11-25' } }), 400, -32020, 'header_mismatch'],
        ['no method field', modern('tools/list', {}, { headers: { 'mcp-method': null } }), 400, -32020, 'header_mismatch'],
        ['another method field', modern('tools/list', {}, { headers: { 'mcp-method': 'x' } }), 400, -32020, 'header_mismatch'],
        ['no name field', modern('tools/call', echo, { headers: { 'mcp-name': null } }), 400, -32020, 'header_mismatch'],
        ['another name field', modern('tools/call', echo, { headers: { 'mcp-name': 'x' } }), 400, -32020, 'header_mismatch'],
        ['no capabilities', modern('tools/list', {}, { meta: { [META.capabilities]: undefined } }), 400, -32602, 'envelope_invalid'],
        ['no envelope', { body: { jsonrpc: '2.0', id: 1, method: 'tools/list' }, headers: { 'mcp-protocol-version': REVISION } }, 400, -32602, 'envelope_invalid'],
        ['an envelope that is no object', { body: { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: 1 } }, headers: { 'mcp-protocol-version': REVISION } }, 400, -32602, 'envelope_invalid'],
        ['a later version', modern('tools/list', {}, { meta: { [META.version]: '2099-01-01' }, headers: { 'mcp-protocol-version': '2099-01-01' } }), 400, -32022, 'version_unsupported'],
        ['a version with sessions in this dress', modern('tools/list', {}, { meta: { [META.version]: '2025-11-25' }, headers: { 'mcp-protocol-version': '2025-11-25' } }), 400, -32022, 'version_unsupported'],
        ['initialize', modern('initialize'), 404, -32601, 'method_unknown'],
        ['ping', modern('ping'), 404, -32601, 'method_unknown'],
        ['logging/setLevel', modern('logging/setLevel', { level: 'info' }), 404, -32601, 'method_unknown'],
        ['resources/subscribe', modern('resources/subscribe', { uri: 'x:' }), 404, -32601, 'method_unknown'],
        ['tasks/get', modern('tasks/get', { taskId: 'x' }, { headers: { 'mcp-name': 'x' } }), 404, -32601, 'method_unknown'],
        ['a method of nobody\'s', modern('no/such'), 404, -32601, 'method_unknown'],
        ['a batch', { body: [modern('tools/list').body] }, 400, -32600, 'batch_unsupported'],
        ['a batch of both eras', { body: [{ jsonrpc: '2.0', id: 1, method: 'ping' }, modern('tools/list').body] }, 400, -32600, 'batch_unsupported'],
        ['no message', { body: { ...modern('tools/list').body, extra: 1 }, headers: modern('tools/list').headers }, 400, -32600, 'invalid_request']
      ]
      for (const [what, request, status, code, reason] of rows) {
        const before = refused[reason]!
        const answer = await send(url, request)
        t.match(answer, { status, body: { error: { code, data: { reason } } } }, what)
        t.equal(refused[reason], before + 1, `${what} is counted once`)
      }
      t.match((await ask(url, 'no/such', {}, { id: 'x1' })).body.id, 'x1')
      t.match((await ask(url, 'tools/list', {}, { meta: { [META.version]: '2099-01-01' }, headers: { 'mcp-protocol-version': '2099-01-01' } })).body.error.data, { supported: [REVISION], requested: '2099-01-01' })
    })

    t.test('a session id is not looked at, and none is given', async t => {
      for (const id of ['nonsense', 'a\u00e9', await open(url)]) {
        const answer = await ask(url, 'tools/list', {}, { headers: { 'mcp-session-id': id, 'last-event-id': '1' } })
        t.equal(answer.status, 200)
        t.notHas(answer.headers, 'mcp-session-id')
      }
    })

    t.test('notifications are taken and go nowhere', async t => {
      for (const method of ['notifications/cancelled', 'notifications/initialized', 'notifications/x']) {
        t.strictSame((await send(url, { body: { jsonrpc: '2.0', method, params: { requestId: 1 } }, headers: { 'mcp-protocol-version': REVISION } })).status, 202)
      }
    })

    t.test('listening ends with the acknowledgement of nothing', async t => {
      const { status, headers, text } = await ask(url, 'subscriptions/listen', { notifications: { toolsListChanged: true } }, { id: 'l' })
      t.match([status, headers['content-type']], [200, /event-stream/])
      const [first, last] = text.split('\n').filter(line => line.startsWith('data: ')).map(line => JSON.parse(line.slice(6)))
      t.strictSame(first, { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications: {}, _meta: { [META.subscriptionId]: 'l' } } })
      t.match(last, { id: 'l', result: { resultType: 'complete', _meta: { [META.subscriptionId]: 'l' } } })
      t.match(await ask(url, 'subscriptions/listen'), { status: 400, body: { error: { code: -32602, data: { reason: 'params_invalid' } } } })
    })

    t.test('sessions go on beside it', async t => {
      const id = await open(url)
      t.match((await send(url, { body: call('echo', { message: 'hi' }), headers: { 'mcp-session-id': id } })).body, { result: { content: [{ text: 'hi' }] } })
      t.equal((await send(url, { body: call('echo') })).body.error.data.reason, 'session_required')
    })
  })
}

t.test('without the option', async t => {
  const { url, app } = await startApp(t)
  const text = 'Bad Request: the Mcp-Session-Id header is required; send initialize first'
  for (const request of [modern('server/discover'), modern('tools/list'), { body: { jsonrpc: '2.0', id: 1, method: 'tools/list' }, headers: { 'mcp-protocol-version': REVISION } }]) {
    t.strictSame((await send(url, request)).body, { jsonrpc: '2.0', id: 1, error: { code: -32000, message: text, data: { reason: 'sessions_only' } } })
  }
  t.match((await send(url, { body: call('echo') })).body.error, { message: text, data: { reason: 'session_required' } })
  t.equal(app.mcpSessions.counters.refused['sessions_only'], 3)
  t.equal((await connectPinned(t, url, {}, 'auto')).getNegotiatedProtocolVersion(), '2025-11-25', 'clients that look first find the sessions')
})

t.test('who asks is found out first, and reaches the handlers', async t => {
  for (const options of [kinds['each']!, kinds['shared']!]) {
    const { url } = await startApp(t, {
      ...options,
      principal: request => {
        if (request.headers.authorization === undefined) throw Object.assign(new Error('who?'), { statusCode: 401 })
        return request.headers.authorization
      },
      authInfo: request => ({ token: request.headers.authorization!, clientId: 'c', scopes: [] })
    })
    t.equal((await ask(url, 'tools/list')).status, 401)
    const who = await callTool(url, 'who', {}, { headers: { authorization: 'ada', 'x-agent': 'a' } })
    t.strictSame(JSON.parse(who.body.result.content[0].text), { authInfo: { token: 'ada', clientId: 'c', scopes: [] }, agent: 'a' })
  }
})

t.test('log lines have nothing that a client wrote', async t => {
  const { url, log } = await startApp(t, { ...kinds['shared'], logLevel: 'info' })
  await ask(url, 'hush/method')
  await ask(url, 'tools/list', {}, { meta: { [META.version]: '2999-hush' }, headers: { 'mcp-protocol-version': '2999-hush' } })
  await callTool(url, 'hush', {}, { headers: { 'mcp-name': 'hush2' } })
  const lines = log.filter(line => line.msg.startsWith('mcp request refused'))
  t.equal(lines.length, 3)
  t.notMatch(JSON.stringify(lines), 'hush')
})

t.test('nesting, in both eras', async t => {
  const { url } = await startApp(t, kinds['each'])
  for (const brackets of [129, 5000, 100_000]) {
    const deep = '['.repeat(brackets) + ']'.repeat(brackets)
    const message = JSON.stringify(modern('tools/call', { name: 'echo', arguments: { message: 'DEEP' } }).body).replace('"DEEP"', deep)
    t.match(await send(url, { body: message, headers: modern('tools/call', { name: 'echo' }).headers }), { status: 400, body: { error: { code: -32600, data: { reason: 'invalid_request' } } } })
    t.equal((await send(url, { body: JSON.stringify(initialize).replace('"capabilities":{}', `"capabilities":{"experimental":${deep}}`) })).status, 400)
    t.equal((await send(url, { body: deep })).status, 400)
  }
})

t.test('a malformed envelope that only the SDK looks for is refused all the same', async t => {
  const { url } = await startApp(t, kinds['shared'])
  const answer = await ask(url, 'tools/list', {}, { meta: { ...META_BARE, [META.capabilities]: { elicitation: { form: 1 } } } })
  t.match(answer, { status: 400, body: { error: { code: -32602 } } })
})
