// Two endpoints, one below the other, for both eras, on three nodes behind a real Traefik that has their own document.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { request } from 'undici'
import mcpSticky from '../../lib/index.ts'
import { mcpStickyTraefik } from '../../lib/traefik/index.ts'
import { tagOf } from '../../lib/session-id.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { randomPrefix } from '../fixtures/redis-node.ts'
import { startRedis } from '../fixtures/redis.ts'
import { createServer } from '../fixtures/session-server.ts'
import { callTool, connectPinned, modern, newSeen, statelessServer } from '../fixtures/stateless.ts'
import type { Seen } from '../fixtures/stateless.ts'
import { startTraefik } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'
import { shared, startNode } from './node.ts'
import type { StartedNode } from './node.ts'

const redis = await startRedis(t)
const PATHS = { default: '/mcp', admin: '/mcp/admin' } as const
type Name = keyof typeof PATHS
const NAMES = Object.keys(PATHS) as Name[]
/** Calls for each node. */
const CALLS = 10
const CLOSES = 20

/** `seen`: what became of the calls that wait, at each endpoint. */
interface Cluster { nodes: StartedNode[], urls: Record<Name, string>, seen: Record<Name, Seen>, routers: () => Promise<string[]> }

async function startCluster (t: Test): Promise<Cluster> {
  const options = shared(t, redis, randomPrefix())
  const token = randomUUID()
  const seen = { default: newSeen(), admin: newSeen() }
  const stateless = (name: Name) => ({ servers: 'shared' as const, createServer: () => statelessServer(seen[name]) })
  const nodes = await Promise.all([1, 2, 3].map(() => startNode(t, {
    ...options(),
    stateless: stateless('default'),
    // Says nothing until it is told to.
    stream: { wait: 60_000 }
  }, async app => {
    await app.register(mcpSticky, {
      name: 'admin',
      path: PATHS.admin,
      createServer,
      principal: ({ headers }) => headers['x-user'] as string | undefined,
      stateless: stateless('admin'),
      // Begins to answer at once.
      stream: { wait: 1 }
    })
    await app.register(mcpStickyTraefik, { token, mcpPath: Object.values(PATHS) })
  })))
  const traefik = await startTraefik(t, { poll: { url: `${nodes[0]!.url}/mcp-sticky/traefik`, token } })
  const services = async (): Promise<Array<{ name: string, serverStatus?: Record<string, string> }>> => traefik.api('/api/http/services')
  for (const name of ['mcp-stateless@http', 'mcp-2-stateless@http']) {
    await until(`${name} has all nodes`, async () => {
      const status = (await services()).find(service => service.name === name)?.serverStatus ?? {}
      return nodes.every(({ url }) => status[url] === 'UP')
    })
  }
  const routers = async (): Promise<string[]> => (await traefik.api('/api/http/routers')).map(({ name }: { name: string }) => name)
  return { nodes, urls: { default: `${traefik.url}${PATHS.default}`, admin: `${traefik.url}${PATHS.admin}` }, seen, routers }
}

const served = ({ app }: StartedNode, name: Name): number => app.mcpSessions.endpoint(name).counters.stateless
const forwarded = (nodes: readonly StartedNode[]): number => nodes.reduce((sum, { app }) => sum + NAMES.reduce((sum, name) => sum + app.mcpSessions.endpoint(name).counters.forwarded, 0), 0)

t.test('calls without sessions go round the nodes, whatever cookie their client has, and get none', async t => {
  const { nodes, urls, routers } = await startCluster(t)
  t.ok((await routers()).includes('mcp-stateless@http'))
  t.ok((await routers()).includes('mcp-2-stateless@http'))
  const cookies = [undefined, ...nodes.map(({ tag }) => `_mcp_backend=${tag}`)]
  for (const name of NAMES) {
    for (const cookie of cookies) {
      const before = nodes.map(node => served(node, name))
      for (let i = 0; i < CALLS * nodes.length; i++) {
        const answer = await callTool(urls[name], 'echo', { message: String(i) }, { headers: { ...cookie !== undefined && { cookie } } })
        if (answer.status !== 200 || answer.body.result.content[0].text !== String(i) || 'set-cookie' in answer.headers) t.fail(`${answer.status} ${answer.text} ${JSON.stringify(answer.headers)}`)
      }
      const shares = nodes.map((node, i) => served(node, name) - before[i]!)
      t.ok(shares.every(share => Math.abs(share - CALLS) <= 1), `${name}, ${cookie ?? 'no cookie'}: each node as many, ${shares.join(', ')}`)
    }
  }
  t.equal(forwarded(nodes), 0)
})

t.test('sessions of both endpoints keep to their nodes beside them, and apart', async t => {
  const { nodes, urls } = await startCluster(t)
  const opened = await Promise.all(NAMES.flatMap(name => Array.from({ length: 9 }, async () => ({ name, id: await open(urls[name], { 'x-user': 'ann' }) }))))
  for (const name of NAMES) t.equal(new Set(opened.filter(session => session.name === name).map(({ id }) => tagOf(id))).size, 3, `${name}: on all nodes`)
  await Promise.all(opened.map(async ({ name, id }) => {
    for (let n = 1; n <= 5; n++) {
      const [answer, without] = await Promise.all([inSession(urls[name], id, call('count'), { 'x-user': 'ann' }), callTool(urls[name], 'echo', { message: id })])
      if (answer.body?.result?.content[0].text !== String(n)) t.fail(`${name}: call ${n} was answered ${answer.text}`)
      if (without.body?.result?.content[0].text !== id) t.fail(`${name}: ${without.text}`)
    }
    const other = name === 'admin' ? 'default' : 'admin'
    t.match(await inSession(urls[other], id, call('count'), { 'x-user': 'ann' }), { status: 404, body: { error: { data: { reason: 'unknown' } } } })
  }))
  t.equal(forwarded(nodes), 0)
})

t.test('a client that closes cancels, before its answer begins and after', async t => {
  const { urls, seen } = await startCluster(t)
  for (const name of NAMES) {
    await Promise.all(Array.from({ length: CLOSES }, async (_, i) => {
      const mine = String(i)
      const { body, headers } = modern('tools/call', { name: 'wait', arguments: { name: mine } })
      const left = new AbortController()
      const answer = request(urls[name], {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        signal: left.signal
      })
      const ended = answer.then(({ body }) => body.text()).catch(() => 'left')
      if (name === 'admin') t.equal((await answer).headers['content-type'], 'text/event-stream', 'it has begun')
      await until('it waits', () => seen[name].begun.has(mine))
      left.abort()
      await until('its handler hears of it', () => seen[name].aborted.has(mine))
      t.equal(await ended, 'left')
    }))
    t.equal(seen[name].aborted.size, CLOSES, name)
  }
})

t.test('a client of the SDK is asked in rounds, whatever node each comes to', async t => {
  const { urls } = await startCluster(t)
  for (const name of NAMES) {
    const client = await connectPinned(t, urls[name], { 'x-user': 'ann' })
    for (let i = 0; i < 4; i++) t.match(await client.callTool({ name: 'rounds', arguments: { of: 3 } }), { content: [{ text: 'after 3' }] })
  }
})

t.test('while one node alone serves them, who comes to another is passed on, and the router stays', async t => {
  const options = shared(t, redis, randomPrefix())
  const token = randomUUID()
  const more = (app: StartedNode['app']) => app.register(mcpStickyTraefik, { token })
  const nodes = [
    await startNode(t, { ...options(), stateless: { servers: 'shared', createServer: () => statelessServer() } }, more),
    await startNode(t, options(), more)
  ]
  const traefik = await startTraefik(t, { poll: { url: `${nodes[1]!.url}/mcp-sticky/traefik`, token } })
  await until('Traefik leads them', async () => (await callTool(`${traefik.url}/mcp`, 'echo', { message: 'hello' })).status === 200)
  const before = [served(nodes[0]!, 'default'), nodes[1]!.app.mcpSessions.counters.forwarded] as const
  for (let i = 0; i < 10; i++) {
    const answer = await callTool(`${traefik.url}/mcp`, 'echo', { message: 'hello' })
    t.match(answer, { status: 200 })
    t.notHas(answer.headers, 'set-cookie')
  }
  const passed = nodes[1]!.app.mcpSessions.counters.forwarded - before[1]
  t.equal(served(nodes[0]!, 'default') - before[0], 10)
  t.ok(Math.abs(passed - 5) <= 1, `half of them: ${passed}`)
  t.match(await send(`${traefik.url}/mcp`, modern('server/discover')), { status: 400 })
})
