import type { FastifyInstance } from 'fastify'
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { dynamicConfiguration } from '../../lib/traefik/index.ts'
import type { TraefikOptions } from '../../lib/traefik/index.ts'
import { nodeTag } from '../../lib/session-id.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { startTraefik } from '../fixtures/traefik.ts'
import type { StartedTraefik } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'
import { startNode } from './node.ts'
import { everything, nodes } from './samples.ts'

// What Traefik itself makes of what we write.

const middlewares = { http: { middlewares: { compressed: { compress: { excludedContentTypes: ['text/event-stream'] } } } } }

/** The routers of a provider's, once Traefik has as many as the configuration. */
async function routersOf (traefik: StartedTraefik, count: number): Promise<Array<{ name: string, status: string, error?: string[] }>> {
  return until('Traefik has the routers', async () => {
    const routers = (await traefik.api('/api/http/routers')).filter(({ provider }: { provider: string }) => provider === 'file')
    return routers.length === count && routers
  })
}

for (const [name, options] of Object.entries<TraefikOptions>({ 'the defaults': {}, 'every option': everything })) {
  t.test(`${name} load without an error`, async t => {
    const configuration = dynamicConfiguration(nodes, options)
    const traefik = await startTraefik(t, { secure: true, files: { 'mcp.yml': configuration, 'middlewares.yml': middlewares } })
    const routers = await routersOf(traefik, Object.keys(configuration.http.routers).length)
    t.strictSame(routers.filter(({ status }) => status !== 'enabled'), [])
    const services = await traefik.api('/api/http/services')
    t.strictSame(services.filter(({ status }: { status: string }) => status !== 'enabled'), [])
    t.strictSame(traefik.errors(), [])
  })
}

t.test('two nodes behind Traefik', async t => {
  const named = (app: FastifyInstance) => app.addHook('onSend', async (_request, reply) => { reply.header('x-node', app.mcpSessions.node.tag) })
  // Long enough for the health checks on a busy machine, too.
  const drain = { grace: 5000 }
  const oauth = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] }
  const members = [await startNode(t, { drain, oauth }, named), await startNode(t, { drain, oauth }, named)]
  const application = { http: { routers: { default: { rule: 'PathPrefix(`/`)', service: 'default' } }, services: { default: { loadBalancer: { servers: members.map(({ url }) => ({ url })) } } } } }
  const traefik = await startTraefik(t, { files: { 'mcp.yml': dynamicConfiguration(members), 'application.yml': application } })
  await routersOf(traefik, 5)
  const mcp = `${traefik.url}/mcp`
  await bothInThePool(traefik)

  t.test('the cookie\'s value is the tag, and its attributes are ADR-0066\'s', async t => {
    const { headers, status } = await send(mcp, { body: initialize })
    t.equal(status, 200)
    const [tag] = (headers['mcp-session-id'] as string).split('.')
    t.equal(headers['set-cookie'], `_mcp_backend=${tag}; Path=/mcp; HttpOnly; Secure; SameSite=Strict`)
    t.ok(members.some(({ url }) => nodeTag({ id: '', url }) === tag))
  })

  t.test('where tokens are to be had is asked by the default router', async t => {
    const { status, headers, body } = await send(`${traefik.url}/.well-known/oauth-protected-resource/mcp`, { method: 'GET' })
    t.strictSame([status, headers['set-cookie'], body.resource], [200, undefined, oauth.resource])
  })

  t.test('a node gets a request with its whole body', async t => {
    const id = await open(mcp)
    const { app } = members.find(({ tag }) => id.startsWith(tag))!
    let begun = 0
    app.server.on('request', ({ headers }) => { if (headers['x-halves'] !== undefined) begun++ })
    const body = JSON.stringify(call('echo', { message: 'x'.repeat(20_000) }))
    const { hostname, port } = new URL(traefik.url)
    const client = connect(Number(port), hostname)
    t.teardown(() => client.destroy())
    client.write(`POST /mcp HTTP/1.1\r\nHost: ${hostname}:${port}\r\nX-Halves: 1\r\nMcp-Session-Id: ${id}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n`)
    client.write(body.slice(0, 10_000))
    for (let i = 0; i < 50; i++) await inSession(mcp, id, call('count'))
    t.equal(begun, 0)
    client.write(body.slice(10_000))
    const [answer] = await once(client, 'data')
    t.match(String(answer), /^HTTP\/1.1 200 /)
    t.equal(begun, 1)
  })

  t.test('an id leads to its node, without a cookie and against one', async t => {
    for (const { tag } of members) {
      let id = ''
      await until('there is a session on this node', async () => { id = await open(mcp); return id.startsWith(tag) })
      const [other] = members.filter(member => member.tag !== tag)
      for (let i = 1; i <= 5; i++) t.match(await inSession(mcp, id, call('count')), { status: 200, body: { result: { content: [{ text: String(i) }] } } })
      t.match(await inSession(mcp, id, call('count'), { cookie: `_mcp_backend=${other!.tag}` }), { status: 200, body: { result: { content: [{ text: '6' }] } } })
    }
  })

  t.test('a cookie leads to its node', async t => {
    for (const { tag } of members) {
      for (let i = 0; i < 4; i++) t.match(await open(mcp, { cookie: `_mcp_backend=${tag}` }), new RegExp(`^${tag}\\.`))
    }
  })

  t.test('other paths are the application\'s, and round-robin', async t => {
    for (const path of ['/mcpfoo', '/graphql', '/']) {
      const answers = [await send(traefik.url + path, { method: 'GET' }), await send(traefik.url + path, { method: 'GET' })]
      t.strictSame(answers.map(({ headers }) => headers['x-node']).sort(), members.map(({ tag }) => tag).sort(), path)
      t.strictSame(answers.map(({ headers }) => headers['set-cookie']), [undefined, undefined], path)
    }
    t.match(await send(`${mcp}/below`, { method: 'GET' }), { headers: { 'set-cookie': /^_mcp_backend=/ } })
  })

  t.test('internal paths are not for clients', async t => {
    for (const path of ['ready', 'alive', 'traefik', '']) t.match(await send(`${traefik.url}/mcp-sticky/${path}`, { method: 'GET' }), { status: 418 })
  })

  t.test('a draining node keeps its sessions and gets no new ones', async t => {
    const [leaving, staying] = members
    const id = await open(mcp, { cookie: `_mcp_backend=${leaving!.tag}` })
    const drained = leaving!.app.mcpSessions.drain()
    await until('new sessions open on the other node', async () => {
      const ids = await Promise.all(Array.from({ length: 4 }, () => open(mcp)))
      return ids.every(id => id.startsWith(staying!.tag))
    })
    t.match(await open(mcp, { cookie: `_mcp_backend=${leaving!.tag}` }), new RegExp(`^${staying!.tag}\\.`), 'whatever the cookie says')
    t.match(await inSession(mcp, id, call('count')), { status: 200, body: { result: { content: [{ text: '1' }] } } })
    await drained
  })

  t.test('what was a dead node\'s goes to the pool', async t => {
    const [leaving] = members
    await leaving!.app.close()
    const gone = `${leaving!.tag}.${'x'.repeat(22)}`
    t.match(await inSession(mcp, gone, call('count')), { status: 404, body: { error: { data: { reason: 'unknown' } } } })
    t.strictSame(traefik.errors(), [])
  })
})

async function bothInThePool (traefik: StartedTraefik): Promise<void> {
  await until('both nodes have been found well', async () => {
    const services: Array<{ name: string, serverStatus?: Record<string, string> }> = await traefik.api('/api/http/services')
    const pool = services.find(({ name }) => name === 'mcp-pool@file')
    return Object.values(pool?.serverStatus ?? {}).filter(status => status === 'UP').length === 2
  })
}
