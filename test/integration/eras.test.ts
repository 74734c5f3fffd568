// A deploy that turns the era without sessions on or off: clients hear of it when all nodes have it, and are served until none has.
import t from 'tap'
import type { Test } from 'tap'
import { startApp } from '../fixtures/app.ts'
import type { StartOptions } from '../fixtures/app.ts'
import { startCluster } from '../fixtures/cluster.ts'
import type { NodeOptions } from '../fixtures/cluster.ts'
import { call, inSession, open } from '../fixtures/http.ts'
import { startRedis } from '../fixtures/redis.ts'
import { ask, callTool, connectPinned, newSeen, statelessServer } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'

const redis = await startRedis(t)
/** A machine may stop for three of them without a node being taken for dead: nobody would pass a call on to it. */
const HEARTBEAT = 500
const SERVES = { stateless: { servers: 'shared', createServer: () => statelessServer(newSeen()) } } as const

/** Two nodes, one of which serves the era. */
async function halfWay (t: Test, options: NodeOptions = {}, before?: StartOptions['before']) {
  return startCluster(t, redis, ['on', 'off'], id => ({ drain: { grace: 0 }, node: { heartbeat: HEARTBEAT }, ...options, ...id === 'on' && SERVES }), { ...before && { before }, fastify: { return503OnClosing: false } })
}

t.test('half way nobody hears of it, and who speaks it already is served by either node', async t => {
  const [on, off] = await halfWay(t)
  for (const { url } of [on, off]) {
    t.match(await ask(url, 'server/discover'), { status: 400, body: { error: { data: { reason: 'sessions_only' } } } })
    for (let i = 0; i < 5; i++) t.match(await callTool(url, 'echo', { message: 'hello' }), { status: 200, body: { result: { content: [{ text: 'hello' }] } } })
    t.match(await inSession(url, await open(url), call('count')), { status: 200 }, 'sessions are as ever')
  }
  t.equal(off.app.mcpSessions.counters.forwarded, 5)
  t.strictSame((await off.app.mcpSessions.nodes()).map(({ id, stateless }) => [id, stateless]), [['off', undefined], ['on', ['default']]])
})

t.test('when the last node without it has gone clients hear of it; when the last with it has, it is over', async t => {
  const [on, off] = await halfWay(t)
  await off.app.close()
  await until('it is announced', async () => (await ask(on.url, 'server/discover')).status === 200)
  const other = await halfWay(t)
  await other[0].app.close()
  await until('nobody is asked any more', async () => (await callTool(other[1].url, 'echo', { message: 'hello' })).body.error?.data.reason === 'sessions_only')
})

t.test('so it is below a prefix, behind a hook that lets in who has a token, and the hook of either node is asked', async t => {
  let asked = 0
  const [on, off] = await halfWay(t, { prefix: '/api' }, app => app.addHook('onRequest', async ({ headers }, reply) => {
    asked++
    if (headers.authorization !== 'token') await reply.code(401).send({ error: 'who are you?' })
  }))
  for (const { url } of [on, off]) {
    t.match(await callTool(url, 'echo', { message: 'hello' }), { status: 401 })
    asked = 0
    t.match(await callTool(url, 'echo', { message: 'hello' }, { headers: { authorization: 'token' } }), { status: 200, body: { result: { content: [{ text: 'hello' }] } } })
    t.equal(asked, url === on.url ? 1 : 2)
  }
})

t.test('one node that serves it unannounced has clients that connect to any open sessions; who speaks it is served', async t => {
  const [loud, quiet] = await startCluster(t, redis, ['loud', 'quiet'], id => ({ drain: { grace: 0 }, node: { heartbeat: HEARTBEAT }, stateless: { ...SERVES.stateless, announce: id === 'loud' } }), { fastify: { return503OnClosing: false } })
  t.strictSame((await loud.app.mcpSessions.nodes()).map(({ id, stateless, unannounced }) => [id, stateless, unannounced]), [['loud', ['default'], undefined], ['quiet', ['default'], ['default']]])
  for (const { url } of [loud, quiet]) {
    t.match(await ask(url, 'server/discover'), { status: 400, body: { error: { data: { reason: 'sessions_only' } } } })
    t.match(await callTool(url, 'echo', { message: 'hello' }), { status: 200, body: { result: { content: [{ text: 'hello' }] } } })
    t.equal((await connectPinned(t, url, {}, 'auto')).getNegotiatedProtocolVersion(), '2025-11-25')
    await t.rejects(connectPinned(t, url), 'a pinned client does not connect')
  }
  await quiet.app.close()
  await until('they hear of it again', async () => (await ask(loud.url, 'server/discover')).status === 200)
})

t.test('alone, a node does not announce it either', async t => {
  const { url } = await startApp(t, { stateless: { ...SERVES.stateless, announce: false } })
  t.match(await ask(url, 'server/discover'), { status: 400, body: { error: { data: { reason: 'sessions_only' } } } })
  t.match(await callTool(url, 'echo', { message: 'hello' }), { status: 200 })
})
