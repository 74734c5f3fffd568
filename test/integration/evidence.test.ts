// Who may take a session, and who may say that there is none: an absence or a refusal counts only when it comes from someone who can know.
import t from 'tap'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import type { RequestListener } from 'node:http'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import Fastify from 'fastify'
import type { Test } from 'tap'
import mcpSticky from '../../lib/index.ts'
import type { McpStickyOptions } from '../../lib/index.ts'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { startRelay } from '../fixtures/relay.ts'
import type { Relay } from '../fixtures/relay.ts'
import { createServer } from '../fixtures/session-server.ts'
import { until } from '../fixtures/until.ts'

const redis = await startRedis(t)
const admin = connect(t, redis)
const HEARTBEAT = 500
const TOKEN = { authorization: 'Bearer 1' }

const text = (answer: { body: any }): unknown => answer.body?.result?.content?.[0]?.text ?? answer.body?.error?.data?.reason ?? answer.body
const internal = (url: string, path: string, headers: Record<string, string> = {}): ReturnType<typeof send> => send(new URL(`/mcp-sticky/${path}`, url).href, { method: 'GET', headers })
const ready = (url: string): Promise<unknown> => until('the node is ready', async () => (await internal(url, 'ready')).status === 200)

/** Applications as they are found around the plugin. */
const applications: Record<string, { before?: (app: FastifyInstance) => unknown, fastify?: FastifyServerOptions, prefix?: string }> = {
  'nothing special': {},
  'an authentication hook for everything': {
    before: app => app.addHook('onRequest', async (request, reply) => { if (request.headers.authorization === undefined) return reply.code(401).send({ no: 'token' }) })
  },
  'a hook that throws': {
    before: app => app.addHook('preHandler', async request => { if (request.headers.authorization === undefined) throw new Error('who are you?') })
  },
  'a rate limit that counts everybody as one': {
    before: app => app.addHook('onRequest', async (request, reply) => { if (request.headers.authorization === undefined) return reply.code(429).send() })
  },
  'an error handler of its own': {
    before: app => app.setErrorHandler((_error, _request, reply) => reply.code(200).send({ fine: true }))
  },
  'a prefix around the plugin': { prefix: '/api' },
  'rewritten urls': { fastify: { rewriteUrl: request => request.url === '/mcp' ? request.url : '/elsewhere' } },
  'trailing slashes that are ignored': { fastify: { routerOptions: { ignoreTrailingSlash: true } } }
}

interface Cluster {
  nodes: StartedApp[]
  /** Each node's way to Redis. */
  relays: Relay[]
  keyPrefix: string
}

async function startCluster (t: Test, { count = 2, node = {}, before, fastify, prefix, ...options }: Partial<McpStickyOptions> & {
  count?: number, before?: (app: FastifyInstance) => unknown, fastify?: FastifyServerOptions, prefix?: string
} = {}): Promise<Cluster> {
  const keyPrefix = `test:${randomUUID()}:`
  const nodes: StartedApp[] = []
  const relays: Relay[] = []
  for (let i = 0; i < count; i++) {
    const relay = await startRelay(t, redis.port)
    const started = await startOne(t, {
      redis: connect(t, redis, { port: relay.port }),
      keyPrefix,
      orphan: 'adopt',
      node: { id: `node-${i}`, url: `http://127.0.0.1:${await freePort()}`, heartbeat: HEARTBEAT, ...node },
      ...options
    }, { ...(before && { before }), ...(fastify && { fastify }), ...(prefix !== undefined && { prefix }) })
    await ready(started.url)
    relays.push(relay)
    nodes.push(started)
  }
  for (const { app } of nodes) await until('the nodes know of each other', async () => (await (app as any).found.nodes().catch(() => [])).length === count)
  return { nodes, relays, keyPrefix }
}

/** The plugin at the root, or in a scope with a prefix. */
async function startOne (t: Test, options: Partial<McpStickyOptions>, { before, fastify, prefix }: { before?: (app: FastifyInstance) => unknown, fastify?: FastifyServerOptions, prefix?: string }): Promise<StartedApp> {
  if (prefix === undefined) {
    const started = await startApp(t, options, { ...(before && { before }), fastify: { return503OnClosing: false, ...fastify } })
    return Object.assign(started, { app: Object.assign(started.app, { found: started.app.mcpSessions }) })
  }
  const log: StartedApp['log'] = []
  const app: FastifyInstance = Fastify({ logger: { level: 'debug', stream: { write: (line: string) => { log.push(JSON.parse(line)) } } }, forceCloseConnections: true, return503OnClosing: false, ...fastify })
  t.teardown(() => app.close())
  await app.register(async scope => {
    await scope.register(mcpSticky, { createServer, ...options } as McpStickyOptions)
    Object.assign(app, { found: scope.mcpSessions })
  }, { prefix })
  const origin = await app.listen({ host: '127.0.0.1', port: Number(new URL(options.node!.url!).port) })
  return { app, url: `${origin}${prefix}/mcp`, log }
}

for (const [what, application] of Object.entries(applications)) {
  t.test(`${what}: internal paths answer, and a node that lost only Redis keeps its sessions`, async t => {
    const { nodes: [a, b], relays: [way] } = await startCluster(t, application)
    for (const path of ['ready', 'alive', 'live']) {
      const answer = await internal(a!.url, path)
      t.equal(answer.status, 200, path)
      t.same(answer.body, { state: 'open' }, 'and tells nothing else')
    }
    t.equal((await internal(a!.url, 'owner', { 'mcp-session-id': 'x' })).status, 403, 'who holds what is for nodes')
    t.notOk(a!.log.some(line => JSON.stringify(line).includes('/mcp-sticky/r')), 'nothing of it is logged')

    const id = await open(a!.url, TOKEN)
    t.equal(text(await inSession(a!.url, id, call('count'), TOKEN)), '1')
    way!.cut()
    const { found } = b!.app as unknown as { found: FastifyInstance['mcpSessions'] }
    await gone(b!, 'node-0')
    for (const [url, count] of [[b!.url, '2'], [a!.url, '3'], [b!.url, '4']] as const) t.equal(text(await inSession(url, id, call('count'), TOKEN)), count)
    t.equal(found.counters.adopted, 0)
  })
}

/** Waits until a node knows that another has no heartbeat. */
async function gone ({ app }: StartedApp, id: string): Promise<void> {
  const { found } = app as unknown as { found: FastifyInstance['mcpSessions'] }
  await until('its heartbeat is gone', async () => {
    const nodes = (await found.nodes().catch(() => [])).map(node => node.id)
    return nodes.length > 0 && !nodes.includes(id)
  })
}

/** Ends a node as a crash would, but in this process: nothing of it is heard any more. */
async function die ({ app }: StartedApp, way: Relay): Promise<void> {
  way.cut()
  app.server.close()
  app.server.closeAllConnections()
}

async function startStranger (t: Test, port: number, handler: RequestListener): Promise<void> {
  const server = createHttp(handler)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await until('the port is free again', async () => {
    server.listen(port, '127.0.0.1')
    return Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)])
  })
}

for (const [what, handler] of Object.entries<RequestListener>({
  'somebody else': (_request, response) => response.end('hello'),
  'a sidecar that answers 503 for the dead': (_request, response) => response.writeHead(503).end('upstream connect error')
})) {
  t.test(`${what} at the address of a dead node holds its sessions for a heartbeat's life, not for ever`, async t => {
    const { nodes: [a, b], relays: [way] } = await startCluster(t)
    const id = await open(a!.url)
    const { port } = new URL(a!.url)
    let asked = 0
    await die(a!, way!)
    await startStranger(t, Number(port), (request, response) => {
      if (request.url === '/mcp') asked++
      handler(request, response)
    })
    await gone(b!, 'node-0')
    const first = await inSession(b!.url, id, call('count'))
    t.match(first, { status: 503, body: { error: { data: { reason: 'owner_unreachable' } } } })
    t.ok(b!.log.some(line => line['reason'] === 'owner_unreachable' && line['err'] !== undefined), 'the log says what was met')
    const later = await until('the session goes on', async () => {
      const answer = await inSession(b!.url, id, call('count'))
      return answer.status === 200 ? answer : undefined
    })
    t.equal(text(later), '1', 'on a new server')
    t.match(b!.app.mcpSessions.counters, { adopted: 1, disbelieved: 1 })
    t.ok(b!.log.some(line => /taken for gone/.test(line.msg)))
    t.equal(asked, 0, 'no request of a client went to the stranger')
  })
}

for (const [what, handler, reason] of [
  ['an application that has no such route', (_request, response) => response.writeHead(404, { 'content-type': 'application/json' }).end('{"message":"Route POST:/mcp not found"}'), 'owner_unreachable'],
  ['one that wants to know who asks', (_request, response) => response.writeHead(401, { 'www-authenticate': 'Bearer resource_metadata="https://evil.example"' }).end(), 'owner_unreachable'],
  ['one that has a page for everything', (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>'), 'owner_unreachable'],
  ['one that declines without end', (_request, response) => { response.writeHead(421).write('x'.repeat(100_000)) }, 'owner_unreachable'],
  ['a sidecar', (_request, response) => response.writeHead(502).end('upstream connect error'), 'owner_lost']
] as Array<[string, RequestListener, string]>) {
  t.test(`${what} has come to the address of a node whose heartbeat lasts: its answer is not the client's`, async t => {
    const { nodes: [a, b], relays: [way] } = await startCluster(t)
    const id = await open(a!.url)
    await die(a!, way!)
    await startStranger(t, Number(new URL(a!.url).port), handler)
    const { nodes } = b!.app.mcpSessions
    t.ok((await nodes()).some(node => node.id === 'node-0'), 'its heartbeat lasts')
    const first = await inSession(b!.url, id, call('count'))
    t.equal(text(first), reason)
    t.equal(first.headers['www-authenticate'], undefined)
    t.match(b!.log.find(line => line['reason'] === reason), { err: { message: String } })
    const later = await until('the session goes on', async () => {
      const answer = await inSession(b!.url, id, call('count'))
      return answer.body?.result === undefined ? undefined : answer
    })
    t.equal(text(later), '1', 'on a new server')
  })
}

t.test('what the owner\'s hooks answer to another node is its own answer', async t => {
  const { nodes: [a, b] } = await startCluster(t, {
    before: app => app.addHook('onRequest', async (request, reply) => {
      const refuse = request.headers['mcp-sticky-hop'] === undefined ? undefined : request.headers['x-refuse']
      if (refuse === 'throw') throw new Error('this is broken')
      if (refuse === 'raw') return reply.hijack().raw.writeHead(404).end('{"gone":true}')
      if (refuse === 'redirect') return reply.redirect('/elsewhere')
      if (refuse !== undefined) return reply.code(Number(refuse)).header('x-from', 'hook').send({ refuse })
    })
  })
  const id = await open(a!.url)
  for (const [refuse, status, body] of [
    ['429', 429, { refuse: '429' }], ['404', 404, { refuse: '404' }], ['503', 503, { refuse: '503' }],
    ['throw', 500, { message: 'this is broken' }], ['raw', 404, { gone: true }], ['redirect', 302, undefined]
  ] as const) {
    const answer = await inSession(b!.url, id, call('count'), { 'x-refuse': refuse })
    t.match(answer, { status, body }, refuse)
    t.equal(answer.headers['mcp-sticky-proof'], undefined, 'proofs are for nodes')
  }
  t.equal(text(await inSession(b!.url, id, call('count'))), '1')
})

t.test('where the owner never reached itself, strangers are believed for as long as the option says', async t => {
  const { nodes: [a, b], relays: [way], keyPrefix } = await startCluster(t, { node: { unprovenTimeout: 1000 } })
  const id = await open(a!.url)
  const [incarnation] = (await admin.hget(`${keyPrefix}session:${id}`, 'owner'))!.split(' ')
  await admin.hset(`${keyPrefix}session:${id}`, 'owner', `${incarnation} 1 0`)
  await die(a!, way!)
  await startStranger(t, Number(new URL(a!.url).port), (_request, response) => response.end('hello'))
  await gone(b!, 'node-0')
  t.equal((await inSession(b!.url, id, call('count'))).status, 503)
  await until('the session goes on', async () => (await inSession(b!.url, id, call('count'))).status === 200)
})

t.test('a node whose url leads elsewhere is not ready until it leads there', async t => {
  const port = await freePort()
  const stranger = createHttp((_request, response) => response.writeHead(302, { location: '/login' }).end())
  stranger.listen(port, '127.0.0.1')
  await once(stranger, 'listening')
  const log: StartedApp['log'] = []
  const app = Fastify({ logger: { level: 'debug', stream: { write: (line: string) => { log.push(JSON.parse(line)) } } }, forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(mcpSticky, { createServer, node: { url: `http://127.0.0.1:${port}`, heartbeat: 100 } })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const line = await until('the log says so', () => log.find(line => /does not lead to this node/.test(line.msg)))
  t.match(line, { level: 50, seen: /status 302 and a redirect to \/login/ })
  t.match(await internal(origin, 'ready'), { status: 503, body: { state: 'unreachable' } })
  t.equal((await internal(origin, 'alive')).status, 200)
  stranger.closeAllConnections()
  stranger.close()
  await until('nobody answers there', () => log.some(line => /does not reach itself/.test(line.msg)))
  t.equal((await internal(origin, 'ready')).status, 200, 'a proxy or a service may come later')
  const proxy = createHttp((request, response) => {
    fetch(`${origin}${request.url}`, { headers: { 'mcp-sticky-self': String(request.headers['mcp-sticky-self']) } })
      .then(async answer => { response.writeHead(answer.status).end(await answer.text()) }, error => response.destroy(error))
  })
  t.teardown(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  proxy.listen(port, '127.0.0.1')
  await until('it reaches itself', () => log.some(line => /reaches itself/.test(line.msg)))
  t.equal(log.filter(line => /does not/.test(line.msg)).length, 2, 'each trouble is told once')
})

t.test('a server that speaks HTTP/2 alone cannot be reached by other nodes, and is refused by name', async t => {
  const app = Fastify({ http2: true } as object)
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(mcpSticky, { createServer, node: { url: 'http://127.0.0.1:3000' } }) }, { code: 'MCP_STICKY_ERR_OPTION', message: /node\.url.*allowHTTP1/ })
})

for (const orphan of ['reject', 'adopt'] as const) {
  t.test(`${orphan}: whatever Redis has lost, nobody is told 404 for a session that lives`, async t => {
    const { nodes: [a, b], keyPrefix } = await startCluster(t, { orphan, misroute: 'forward' })
    for (const lost of [(id: string) => [`session:${id}`], () => ['node:node-0'], (id: string) => [`session:${id}`, 'node:node-0']]) {
      const id = await open(a!.url)
      await admin.del(lost(id).map(key => keyPrefix + key))
      for (let i = 1; i < 20; i++) t.match(await inSession(b!.url, id, call('count')), { status: 200 }, `${lost(id)}, call ${i}`)
      await admin.del(lost(id).map(key => keyPrefix + key))
      t.equal((await send(b!.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })).status, 200, 'it can be ended as well')
      // A node that found its key gone takes nothing for absent until the others have had time to write theirs.
      await until('it is gone', async () => {
        const { status } = await inSession(b!.url, id, call('count'))
        t.not(status, 200)
        return status === 404
      })
    }
  })
}

t.test('a session without a record answers to its principal, and is unknown to anybody else, on any node', async t => {
  const principal = (request: { headers: Record<string, unknown> }): string => String(request.headers['x-user'])
  const { nodes: [a, b], keyPrefix } = await startCluster(t, { principal: principal as never })
  const id = await open(a!.url, { 'x-user': 'alice' })
  await admin.del(`${keyPrefix}session:${id}`)
  const foreign = await inSession(b!.url, id, call('count'), { 'x-user': 'bob' })
  const unknown = await inSession(b!.url, `${id.slice(0, 17)}${'A'.repeat(22)}`, call('count'), { 'x-user': 'bob' })
  t.same([foreign.status, foreign.text], [unknown.status, unknown.text])
  t.equal(foreign.status, 404)
  t.equal(text(await inSession(b!.url, id, call('count'), { 'x-user': 'alice' })), '1')
})

t.test('stale ids are 404 at once: a hundred of a node that lives, and of one that has gone', async t => {
  const { nodes: [a, b, c], relays } = await startCluster(t, { count: 3 })
  const stale = (url: string, i: number): Promise<string> => open(url).then(id => `${id.slice(0, 17)}${String(i).padStart(22, '0')}`)
  const ids = [...await Promise.all(Array.from({ length: 50 }, (_, i) => stale(a!.url, i))), ...await Promise.all(Array.from({ length: 50 }, (_, i) => stale(c!.url, i)))]
  await die(c!, relays[2]!)
  await gone(b!, 'node-2')
  const answers = await Promise.all(ids.map(id => inSession(b!.url, id, call('count'))))
  t.same(new Set(answers.map(text)), new Set(['unknown']))
})

t.test('nodes that know different secrets take nothing from each other', async t => {
  const { nodes: [a, b], relays: [way], keyPrefix } = await startCluster(t)
  const id = await open(a!.url)
  way!.cut()
  await admin.set(`${keyPrefix}secret`, 'another-secret-of-this-cluster')
  await gone(b!, 'node-0')
  await until('the other has it passed on', async () => (await inSession(b!.url, id, call('count'))).status === 200)
  t.equal(b!.app.mcpSessions.counters.adopted, 0)
  t.ok(Number(text(await inSession(a!.url, id, call('count')))) > 1, 'it is one session')
})

t.test('the secret is made again when it is lost, and a value that is none is replaced', async t => {
  const { keyPrefix } = await startCluster(t)
  const secret = await admin.get(`${keyPrefix}secret`)
  t.match(secret, /^[\w-]{43}$/)
  for (const lose of [() => admin.del(`${keyPrefix}secret`), () => admin.set(`${keyPrefix}secret`, 'no secret')]) {
    await lose()
    await until('it is what it was', async () => await admin.get(`${keyPrefix}secret`) === secret)
  }
})
