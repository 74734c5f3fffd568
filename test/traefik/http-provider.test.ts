import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import mcpSticky from '../../lib/index.ts'
import { dynamicConfiguration, mcpStickyTraefik } from '../../lib/traefik/index.ts'
import type { TraefikHttpOptions } from '../../lib/traefik/index.ts'
import { nodeTag } from '../../lib/session-id.ts'
import { open, send } from '../fixtures/http.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { startTraefik } from '../fixtures/traefik.ts'
import type { StartedTraefik } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'
import { shared, startNode } from './node.ts'

const token = 'a-token'
const bearer = { authorization: `Bearer ${token}` }
const serves = (options: Partial<TraefikHttpOptions> = {}) => (app: FastifyInstance) => app.register(mcpStickyTraefik, { token, ...options })
const fetch = (node: { url: string }, headers: Record<string, string> = bearer) => send(`${node.url}/mcp-sticky/traefik`, { method: 'GET', headers })
const poolOf = (body: any): string[] => body.http.services['mcp-pool'].loadBalancer.servers.map(({ url }: { url: string }) => url).sort()
const urls = (...nodes: Array<{ url: string }>) => nodes.map(({ url }) => url).sort()

t.test('the document', async t => {
  const redis = await startRedis(t)
  const options = shared(t, redis, `test:${randomUUID()}:`)
  const one = await startNode(t, options(), serves())

  t.test('has this node from the first moment', async t => {
    const answer = await fetch(one)
    t.match(answer, { status: 200, headers: { 'content-type': /^application\/json/, 'cache-control': 'no-store' } })
    t.strictSame(answer.body, dynamicConfiguration([one]))
  })

  t.test('has the nodes that come, whichever is asked, and the same bytes', async t => {
    const two = await startNode(t, options(), serves())
    await until('each names both', async () => {
      const [first, second] = [await fetch(one), await fetch(two)]
      return first.text === second.text && poolOf(first.body).length === 2
    })
    const texts = await Promise.all(Array.from({ length: 20 }, async (_, i) => (await fetch(i % 2 ? one : two)).text))
    t.strictSame(new Set(texts).size, 1)
    t.strictSame(poolOf(JSON.parse(texts[0]!)), urls(one, two))
    await two.app.close()
    await until('the node that left is gone', async () => poolOf((await fetch(one)).body).length === 1)
  })

  t.test('leaves out a node without a url', async t => {
    const apart = Fastify()
    t.teardown(() => apart.close())
    await apart.register(mcpSticky, { ...options(), createServer: () => { throw new Error('unused') } })
    await apart.register(mcpStickyTraefik, { token })
    await apart.ready()
    await until('it is a live node', async () => (await one.nodes()).length === 2)
    t.strictSame(poolOf((await fetch(one)).body), urls(one))
    const answer = await apart.inject({ url: '/mcp-sticky/traefik', headers: bearer })
    t.strictSame(poolOf(answer.json()), urls(one), 'but it can serve the document')
  })

  t.test('is for those who know the token', async t => {
    const wrong: Array<Record<string, string>> = [{}, { authorization: '' }, { authorization: 'Bearer' }, { authorization: 'Bearer ' }, { authorization: token },
      { authorization: `Basic ${token}` }, { authorization: 'Bearer another' }, { authorization: `Bearer ${token}x` }, { authorization: `Bearer ${token.slice(1)}` }]
    const answers = await Promise.all(wrong.map(headers => fetch(one, headers)))
    for (const answer of answers) t.match(answer, { status: 401, headers: { 'www-authenticate': 'Bearer' } })
    t.equal(new Set(answers.map(({ text }) => text)).size, 1, 'whatever was wrong, the answer is the same')
    t.equal((await fetch(one, { authorization: `bearer  ${token}` })).status, 200, 'the scheme has no case (RFC 9110, 11.1)')
  })

  t.test('stays as it was while the registry cannot be read', async t => {
    const { text } = await fetch(one)
    await redis.kill()
    await until('the trouble is in the log', async () => {
      t.equal((await fetch(one)).text, text)
      return one.log.some(({ msg }) => msg.startsWith('the node registry cannot be read'))
    })
    for (let i = 0; i < 5; i++) t.match(await fetch(one), { status: 200, text })
    t.equal(one.log.filter(({ msg }) => msg.startsWith('the node registry cannot be read')).length, 1, 'said once')
    await redis.start()
    await until('it is read again', async () => (await fetch(one)).status === 200 && one.log.some(({ msg }) => msg === 'the node registry can be read again'))
    t.equal((await fetch(one)).text, text)
  })
})

t.test('a Redis that comes back empty takes nobody out of the document', async t => {
  const redis = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  const prompt = await startNode(t, { redis: connect(t, redis), keyPrefix, node: { id: 'prompt' } }, serves())
  // Comes back when the first has long been asked.
  await startNode(t, { redis: connect(t, redis, { retryStrategy: () => 300 }), keyPrefix, node: { id: 'late' } })
  await until('both are there', async () => poolOf((await fetch(prompt)).body).length === 2)
  const { text } = await fetch(prompt)
  await redis.restart()
  await until('the registry was lost and is read again', async () => {
    t.equal((await fetch(prompt)).text, text)
    return prompt.log.some(({ msg }) => msg === 'the node registry can be read again')
  })
  t.equal((await fetch(prompt)).text, text)
})

t.test('before the first look at the registry: 503, and never an empty document', async t => {
  const redis = await startRedis(t)
  await redis.kill()
  const node = await startNode(t, shared(t, redis, `test:${randomUUID()}:`)(), serves())
  t.match(await fetch(node), { status: 503, headers: { 'retry-after': '1' } })
  await redis.start()
  await until('the document is there', async () => (await fetch(node)).status === 200)
  t.strictSame(poolOf((await fetch(node)).body), urls(node))
})

t.test('options', async t => {
  const refused = async (options: object) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(mcpSticky, { createServer: () => { throw new Error('unused') } })
    await app.register(mcpStickyTraefik, options as TraefikHttpOptions)
  }
  for (const bad of [undefined, '', 'two words', 7, true]) await t.rejects(refused({ token: bad }), { code: 'MCP_STICKY_ERR_OPTION', message: 'option `token` ' }, `token ${bad}`)
  await t.rejects(refused({ token, path: 'traefik' }), { code: 'MCP_STICKY_ERR_OPTION', message: 'option `path` ' })
  await t.rejects(refused({ token, entryPoint: ['web'] }), { code: 'MCP_STICKY_ERR_OPTION', message: 'option `entryPoint` ' })
  const alone = Fastify()
  t.teardown(() => alone.close())
  await t.rejects(async () => { await alone.register(mcpStickyTraefik, { token }) }, { message: /fastify-mcp-sticky/ }, 'comes after fastify-mcp-sticky')

  t.test('open to everybody, elsewhere, under a prefix, with options for the document', async t => {
    const node = await startNode(t, {}, serves({ token: false, path: '/nodes', prefix: '/internal', mcpPath: '/tools', entryPoints: ['web'] }))
    const { body } = await send(`${node.url}/internal/nodes`, { method: 'GET' })
    t.strictSame(body, dynamicConfiguration([node], { mcpPath: '/tools', entryPoints: ['web'] }))
  })
})

t.test('Traefik polls it', async t => {
  const redis = await startRedis(t)
  const options = shared(t, redis, `test:${randomUUID()}:`)
  const polled = await startNode(t, options(), serves())
  const traefik = await startTraefik(t, { poll: { url: `${polled.url}/mcp-sticky/traefik`, token } })
  const mcp = `${traefik.url}/mcp`
  await pool(traefik, polled)
  const other = await startNode(t, options(), serves())
  await pool(traefik, polled, other)
  t.strictSame(traefik.errors(), [])

  t.test('and keeps the configuration when the polled node is gone', async t => {
    const routers = (await traefik.api('/api/http/routers')).length
    await polled.app.close()
    await until('Traefik has asked in vain', () => traefik.errors().some(line => line.includes('connection refused')))
    t.equal((await traefik.api('/api/http/routers')).length, routers)
    for (let i = 0; i < 4; i++) t.match(await open(mcp), new RegExp(`^${nodeTag({ id: '', url: other.url })}\\.`))
  })
})

/** Waits until Traefik's pool is these nodes, all of them found well. */
async function pool (traefik: StartedTraefik, ...nodes: Array<{ url: string }>): Promise<void> {
  await until('the pool has its nodes', async () => {
    const services: Array<{ name: string, serverStatus?: Record<string, string> }> = await traefik.api('/api/http/services')
    const status = services.find(({ name }) => name === 'mcp-pool@http')?.serverStatus ?? {}
    return JSON.stringify(Object.keys(status).sort()) === JSON.stringify(urls(...nodes)) && Object.values(status).every(state => state === 'UP')
  })
}
