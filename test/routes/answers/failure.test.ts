// What the application does wrong is a JSON-RPC error of ours, and the words of its own error are for the log.
import createError from '@fastify/error'
import t from 'tap'
import type { Test } from 'tap'
import type { McpStickyOptions } from '../../../lib/index.ts'
import { startApp } from '../../fixtures/app.ts'
import type { StartedApp } from '../../fixtures/app.ts'
import { startCluster } from '../../fixtures/cluster.ts'
import type { NodeOptions } from '../../fixtures/cluster.ts'
import { call, initialize, open, send } from '../../fixtures/http.ts'
import type { Answer } from '../../fixtures/http.ts'
import { startRedis } from '../../fixtures/redis.ts'
import { createServer } from '../../fixtures/session-server.ts'

const SECRET = 'db down at 10.1.2.3'
const Unauthorized = createError('APP_UNAUTHORIZED', 'who are you?', 401)
const fail = (): never => { throw new Error(SECRET) }
const failLater = async (): Promise<never> => fail()

/** One error of ours in answer, log and counters, and nothing of the application's words outside the log. */
function isOurs (t: Test, { app, log }: StartedApp, answer: Answer, { reason, id, said = SECRET }: { reason: string, id: unknown, said?: string | RegExp }): void {
  t.match(answer, { status: 500, headers: { 'content-type': /^application\/json/ }, body: { jsonrpc: '2.0', id, error: { code: -32603, data: { reason } } } })
  t.notMatch(answer.text, /10\.1\.2\.3|TypeError|connect|at .*\.ts/)
  t.equal(app.mcpSessions.counters.refused[reason], 1)
  const lines = log.filter(({ level, err }) => level >= 40 || err !== undefined)
  t.match(lines, [{ level: 50, reason, err: { message: said } }], 'one log line, with the real error')
  t.equal(lines.length, 1)
}

t.test('createServer and connect', async t => {
  const shared = createServer()
  t.teardown(() => shared.close())
  const faults: Record<string, [McpStickyOptions['createServer'], string | RegExp]> = {
    throws: [fail, SECRET],
    rejects: [failLater, SECRET],
    'rejects with nothing': [() => Promise.reject(), /^$/], // eslint-disable-line prefer-promise-reject-errors
    'returns nothing': [() => undefined as any, /must return an MCP server/],
    'resolves to no server': [async () => ({}) as any, /must return an MCP server/],
    'fails to connect': [() => Object.assign(createServer(), { connect: failLater }), SECRET],
    'fails to connect at once': [() => Object.assign(createServer(), { connect: fail }), SECRET],
    'throws an error without a choice of status': [() => { throw new (createError('APP_BROKEN', SECRET))() }, SECRET]
  }
  for (const [what, [createServer, said]] of Object.entries(faults)) {
    await t.test(what, async t => {
      const node = await startApp(t, { createServer })
      const answer = await send(node.url, { body: { ...initialize, id: 'i-1' } })
      if (what === 'rejects with nothing') {
        t.match(answer, { status: 500, body: { id: 'i-1', error: { data: { reason: 'server_failed' } } } })
      } else isOurs(t, node, answer, { reason: 'server_failed', id: 'i-1', said })
      t.equal(answer.headers['mcp-session-id'], undefined)
      t.equal(node.app.mcpSessions.size, 0)
    })
  }

  await t.test('returns the same server twice', async t => {
    const node = await startApp(t, { createServer: () => shared })
    const id = await open(node.url)
    isOurs(t, node, await send(node.url, { body: initialize }), { reason: 'server_failed', id: 1, said: /one server per session/ })
    t.match(await send(node.url, { body: call('count'), headers: { 'mcp-session-id': id } }), { status: 200 }, 'the first session has it still')
  })

  await t.test('a session that failed to open takes no place', async t => {
    let fails = true
    const node = await startApp(t, { session: { maxPerNode: 1 }, createServer: () => fails ? fail() : createServer() })
    for (let i = 0; i < 3; i++) t.equal((await send(node.url, { body: initialize })).status, 500)
    fails = false
    t.equal((await send(node.url, { body: initialize })).status, 200)
  })
})

t.test('principal and authInfo, whatever the verb', async t => {
  let broken = false
  const when = (fault: () => any) => () => broken ? fault() : undefined
  const faults: Record<string, [Pick<McpStickyOptions, 'principal' | 'authInfo'>, string | RegExp]> = {
    'principal throws': [{ principal: when(fail) }, SECRET],
    'principal rejects': [{ principal: when(failLater) }, SECRET],
    'principal is none': [{ principal: when(() => 7) }, /a principal must be/],
    'authInfo throws': [{ principal: () => null, authInfo: when(fail) }, SECRET],
    'authInfo rejects': [{ principal: () => null, authInfo: when(failLater) }, SECRET],
    'both reject': [{ principal: when(failLater), authInfo: when(failLater) }, SECRET],
    'principal rejects and authInfo throws': [{ principal: when(failLater), authInfo: when(fail) }, SECRET]
  }
  for (const [what, [options, said]] of Object.entries(faults)) {
    const requests: Record<string, [Parameters<typeof send>[1], unknown]> = {
      initialize: [{ body: initialize }, 1],
      POST: [{ body: call('count', {}, 'c') }, 'c'],
      notification: [{ body: { jsonrpc: '2.0', method: 'notifications/initialized' } }, null],
      GET: [{ method: 'GET' }, null],
      DELETE: [{ method: 'DELETE' }, null]
    }
    for (const [verb, [request, answered]] of Object.entries(requests)) {
      broken = false
      const node = await startApp(t, options)
      const id = await open(node.url)
      broken = true
      const answer = await send(node.url, { ...request, headers: { 'mcp-session-id': id } })
      isOurs(t, node, answer, { reason: 'auth_failed', id: answered, said })
      t.ok(node.app.mcpSessions.get(id), `${what}, ${verb}: the session lives`)
      await node.app.close()
    }
  }
})

t.test('each request of a batch gets the error', async t => {
  const { url, app } = await startApp(t, { principal: fail })
  const headers = { 'mcp-session-id': 'x' }
  const answer = await send(url, { body: [call('count', {}, 1), { jsonrpc: '2.0', method: 'notifications/x' }, call('count', {}, 'b')], headers })
  t.match(answer, { status: 500, body: [{ id: 1, error: { data: { reason: 'auth_failed' } } }, { id: 'b', error: { data: { reason: 'auth_failed' } } }] })
  t.equal(answer.body.length, 2)
  t.match(await send(url, { body: [{ jsonrpc: '2.0', method: 'notifications/x' }], headers }), { status: 500, body: { id: null } })
  t.equal(app.mcpSessions.counters.refused['auth_failed'], 2)
})

t.test('the application\'s own HTTP errors pass as they are', async t => {
  const refuse = (): never => { throw new Unauthorized() }
  const passes: Record<string, Partial<McpStickyOptions>> = {
    'principal throws one': { principal: refuse },
    'principal rejects with one': { principal: async () => refuse() },
    'authInfo throws one': { principal: () => 'ada', authInfo: refuse },
    'createServer throws one': { createServer: refuse },
    'createServer rejects with one': { createServer: async () => refuse() },
    'a hook throws one': { routeOptions: { preHandler: async () => refuse() } }
  }
  for (const [what, options] of Object.entries(passes)) {
    const { url, app } = await startApp(t, options)
    const answer = await send(url, { body: initialize })
    t.match(answer, { status: 401, body: { statusCode: 401, code: 'APP_UNAUTHORIZED', error: 'Unauthorized', message: 'who are you?' } }, what)
    t.ok(Object.values(app.mcpSessions.counters.refused).every(count => count === 0), 'which is no refusal of ours')
  }
  const { url } = await startApp(t, { principal: refuse }, {
    before: app => app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => reply.code(error.statusCode ?? 500).send({ mine: error.message }))
  })
  t.match(await send(url, { body: initialize }), { status: 401, body: { mine: 'who are you?' } }, 'by way of its error handler')
  const replies = await startApp(t, { routeOptions: { onRequest: async (_request, reply) => reply.code(402).send({ pay: true }) } })
  t.match(await send(replies.url, { body: initialize }), { status: 402, body: { pay: true } })
})

t.test('an error handler of the route gets those errors, and none of ours', async t => {
  const { url } = await startApp(t, {
    principal: ({ headers }) => { throw headers.authorization === undefined ? new Unauthorized() : new Error(SECRET) },
    routeOptions: { bodyLimit: 1000, errorHandler: (error, _request, reply) => { reply.code(error.statusCode ?? 500).send({ mine: error.message }) } }
  })
  t.match(await send(url, { body: initialize }), { status: 401, body: { mine: 'who are you?' } })
  t.match(await send(url, { body: initialize, headers: { authorization: 'x' } }), { status: 500, body: { error: { data: { reason: 'auth_failed' } } } })
  t.match(await send(url, { body: 'x'.repeat(1001) }), { status: 413, body: { error: { data: { reason: 'body_too_large' } } } })
})

t.test('what nobody expected', async t => {
  // A hook that leaves fields which no request has: the plugin's own code fails on them.
  for (const [name, requests] of Object.entries({
    accept: [{ body: initialize }, { method: 'GET' as const }],
    origin: [{ body: initialize }, { method: 'GET' as const }, { method: 'DELETE' as const }, { method: 'PUT' as const }]
  })) {
    for (const request of requests) {
      const node = await startApp(t, {}, { before: app => app.addHook('onRequest', async ({ headers }) => { Object.assign(headers, { [name]: 7 }) }) })
      isOurs(t, node, await send(node.url, request), { reason: 'internal', id: null, said: /is not a function/ })
    }
  }
})

const redis = await startRedis(t)

/** Nodes that adopt from each other. */
async function startNodes (t: Test, options: { a: NodeOptions, b: NodeOptions }): Promise<[StartedApp, StartedApp]> {
  return startCluster(t, redis, ['a', 'b'], id => ({ orphan: 'adopt', drain: { grace: 0, timeout: 1000 }, ...options[id] }), { fastify: { return503OnClosing: false } })
}

t.test('through another node the answer is the same, and counted where it failed', async t => {
  let broken = false
  const [a, b] = await startNodes(t, { a: { principal: () => broken ? fail() : 'ada' }, b: { principal: () => 'ada' } })
  const id = await open(a.url)
  broken = true
  for (const request of [{ body: call('count', {}, 'c') }, { method: 'GET' as const }, { method: 'DELETE' as const }]) {
    const through = await send(b.url, { ...request, headers: { 'mcp-session-id': id } })
    const direct = await send(a.url, { ...request, headers: { 'mcp-session-id': id } })
    t.match(through, { status: 500, body: { error: { code: -32603, data: { reason: 'auth_failed' } } } })
    t.equal(through.text, direct.text)
  }
  t.equal(a.app.mcpSessions.counters.refused['auth_failed'], 6)
  t.equal(b.app.mcpSessions.counters.refused['auth_failed'], 0)
})

t.test('initialize that a full node passes on', async t => {
  const [, b] = await startNodes(t, { a: { createServer: fail }, b: { session: { maxPerNode: 1 } } })
  await open(b.url)
  const answer = await send(b.url, { body: { ...initialize, id: 'i' } })
  t.match(answer, { status: 500, body: { id: 'i', error: { data: { reason: 'server_failed' } } } })
  t.notMatch(answer.text, SECRET)
})

t.test('an adoption for which no server can be made', async t => {
  for (const [createServer, expected] of [
    [fail, { status: 503, body: { id: 'c', error: { code: -32000, data: { reason: 'adoption_failed' } } } }],
    [() => { throw new Unauthorized() }, { status: 401, body: { code: 'APP_UNAUTHORIZED', message: 'who are you?' } }]
  ] as const) {
    const [a, b] = await startNodes(t, { a: {}, b: { createServer } })
    const id = await open(a.url)
    await a.app.close()
    const answer = await send(b.url, { body: call('count', {}, 'c'), headers: { 'mcp-session-id': id } })
    t.match(answer, expected)
    t.notMatch(answer.text, SECRET)
    t.ok(b.log.some(({ err }) => (err as Error | undefined)?.message !== undefined))
  }
})
