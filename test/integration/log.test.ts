// What operators can see and ask: the lines at level info, the events, and why a session is gone.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import type { Test } from 'tap'
import type { Finding } from '../../lib/index.ts'
import { sessionName } from '../../lib/session-id.ts'
import { startApp } from '../fixtures/app.ts'
import type { LogLine, StartedApp } from '../fixtures/app.ts'
import { startCluster } from '../fixtures/cluster.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { freePort } from '../fixtures/free-port.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import { randomPrefix } from '../fixtures/redis-node.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const INFO = 30

/** The lines of an event at level info or above. */
function lines ({ log }: StartedApp, event: string, session?: string): LogLine[] {
  return log.filter(line => line.level >= INFO && line['event'] === event && (session === undefined || line['session'] === session))
}

const ended = (app: StartedApp, id: string): unknown => lines(app, 'session.ended', sessionName(id))[0]?.['reason']

/** What is known of a session, once this holds. A node that beats late on a busy machine says for a moment that nobody can tell. */
async function found (app: StartedApp, nameOrId: string, holds: (finding: Finding) => boolean = () => true): Promise<Finding> {
  return until('it is known what became of it', async () => {
    const finding = await app.app.mcpSessions.find(nameOrId).catch((error: { code?: unknown }) => {
      if (error.code !== 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE') throw error
      return undefined
    })
    return finding !== undefined && holds(finding) && finding
  }) as Promise<Finding>
}

/** All that is published until the test is over. */
function heard (t: Test, kind: string): any[] {
  const all: any[] = []
  const listener = (message: unknown): void => { all.push(message) }
  subscribe(`fastify-mcp-sticky:${kind}`, listener)
  t.teardown(() => unsubscribe(`fastify-mcp-sticky:${kind}`, listener))
  return all
}

t.test('the life of a session is in the log, and afterwards it is known why it is gone', async t => {
  const redis = await startRedis(t)
  const [a, b] = await startCluster(t, redis, ['a', 'b'], { node: { heartbeat: 500 }, orphan: 'adopt', drain: { grace: 0, timeout: 10_000 } })
  const [kept, deleted, closed, elsewhere] = [await open(a.url), await open(a.url), await open(a.url), await open(a.url)]
  t.match(lines(a, 'session.opened', sessionName(kept))[0], { node: 'a', endpoint: 'default', protocolVersion: '2025-11-25', clientName: 'raw' })

  t.equal((await send(a.url, { method: 'DELETE', headers: { 'mcp-session-id': deleted } })).status, 200)
  t.equal(await a.app.mcpSessions.close(closed), 1)
  t.equal((await send(b.url, { method: 'DELETE', headers: { 'mcp-session-id': elsewhere } })).status, 200)
  t.strictSame([deleted, closed].map(id => ended(a, id)), ['requested', 'requested'])
  t.match(await found(b, sessionName(kept), ({ steps }) => steps.length === 1), { status: 'misrouted', id: kept, node: { id: 'a' }, steps: [{ what: 'opened', node: 'a' }] })

  await a.app.mcpSessions.drain()
  t.equal(lines(a, 'session.handed_over', sessionName(kept)).length, 1)
  t.match([lines(a, 'node.draining')[0], lines(a, 'node.drained')[0]], [{ sessions: 1 }, { handedOver: 1, lost: 0 }])
  t.equal((await inSession(b.url, kept, call('count'))).status, 200)
  t.match(lines(b, 'session.adopted', sessionName(kept))[0], { node: 'b', from: 'a', durationMs: Number })

  const name = sessionName(kept)
  t.match(await found(b, name, ({ steps }) => steps.length === 3), {
    name, status: 'local', id: kept, steps: [{ what: 'opened', node: 'a' }, { what: 'handed_over', node: 'a' }, { what: 'adopted', node: 'b', from: 'a' }]
  })
  for (const id of [deleted, closed, elsewhere]) {
    const gone = await found(b, sessionName(id), ({ status }) => status === 'ended')
    t.match(gone.steps.at(-1), { what: 'ended', reason: /^requested/, at: Number })
    t.equal(gone.id, undefined)
    t.match(await found(b, id), { status: 'ended', name: sessionName(id) }, 'by its id too')
  }
  t.same(await found(b, 'AAAAAAAAAAAA'), { name: 'AAAAAAAAAAAA', status: 'unknown', steps: [] })
  await t.rejects(b.app.mcpSessions.find('no name'), { code: 'MCP_STICKY_ERR_OPTION', message: /nameOrId/ })
})

t.test('idle, never used, ended by its server and by the end of its node are different ends', async t => {
  const app = await startApp(t, { session: { idleTimeout: 300, firstUseTimeout: 200 } })
  const [unused, idle, over] = [await open(app.url), await open(app.url), await open(app.url)]
  for (const id of [idle, over]) await inSession(app.url, id, call('count'))
  await app.app.mcpSessions.get(over)!.server.close!()
  await until('both are gone', () => app.app.mcpSessions.size === 0)
  t.strictSame([unused, idle, over].map(id => ended(app, id)), ['never_used', 'idle', 'server_closed'])
  for (const id of [unused, idle, over]) {
    const { status, steps } = await app.app.mcpSessions.find(sessionName(id))
    t.match({ status, last: steps.at(-1) }, { status: 'ended', last: { reason: ended(app, id) as string } })
  }
  const last = await open(app.url)
  await app.app.close()
  t.equal(ended(app, last), 'shutdown')
})

t.test('a refusal has a line at info, and an event, with what was asked for', async t => {
  const refused = heard(t, 'request.refused')
  const app = await startApp(t)
  const id = await open(app.url)
  const name = sessionName(id)
  await send(app.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
  t.equal((await inSession(app.url, id, call('count'))).status, 404)
  const facts = { event: 'request.refused', session: name, reason: 'unknown', status: 404, method: 'tools/call', tool: 'count', endpoint: 'default', durationMs: Number }
  t.match(lines(app, 'request.refused')[0], { level: INFO, ...facts })
  t.match(refused, [facts])
  t.equal((await send(app.url, { body: { jsonrpc: '2.0', id: 1, method: 'made/up' } })).status, 400)
  t.match(refused.at(-1), { reason: 'session_required', method: '_OTHER' })
  t.notOk(app.log.some(line => JSON.stringify(line).includes(id)), 'no line has a whole id')
})

t.test('calls and what is passed on are events, and cost the log nothing', async t => {
  const redis = await startRedis(t)
  const [a, b] = await startCluster(t, redis, ['a', 'b'])
  const id = await open(a.url)
  const [done, forwarded] = [heard(t, 'request.done'), heard(t, 'forward.done')]
  await inSession(b.url, id, call('count'))
  await until('both are told', () => done.length === 1 && forwarded.length === 1)
  t.match(done, [{ node: 'a', session: sessionName(id), method: 'tools/call', tool: 'count', outcome: 'result', protocolVersion: '2025-11-25', durationMs: Number }])
  t.match(forwarded, [{ node: 'b', session: sessionName(id), to: new URL(a.url).origin, outcome: 'answered', durationMs: Number }])
  t.ok([...done, ...forwarded].every(event => Object.isFrozen(event)))
  await inSession(a.url, id, call('made up', {}, 3))
  t.match(done.at(-1), { method: 'tools/call', outcome: /error/ })
  t.notOk('tool' in done.at(-1), 'a name that no tool can have')
  t.strictSame([a, b].flatMap(app => lines(app, 'request.done')), [])
})

t.test('a request that waits for the heartbeat of a dead node to end is held', async t => {
  const redis = await startRedis(t)
  const keyPrefix = randomPrefix()
  const node = async (id: string) => ({ id, url: `http://127.0.0.1:${await freePort()}`, heartbeat: 500 })
  const a = await startNodeProcess(t, { redis: redis.url, keyPrefix, orphan: 'adopt', node: await node('a') })
  const b = await startApp(t, { redis: connect(t, redis), keyPrefix, orphan: 'adopt', node: await node('b') })
  await until('b knows of a', async () => (await b.app.mcpSessions.nodes().catch(() => [])).length === 2)
  const id = await open(a.url)
  const held = heard(t, 'request.held')
  a.kill()
  await a.ended
  t.equal((await inSession(b.url, id, call('count'))).status, 200)
  t.match(held, [{ event: 'request.held', node: 'b', session: sessionName(id), endpoint: 'default', durationMs: Number }])
  t.equal(held.length, 1)
  t.equal((await inSession(b.url, id, call('count'))).status, 200)
  t.equal(held.length, 1, 'nobody waits for a node that lives')
})

t.test('an outage of the directory is an event with its length', async t => {
  const redis = await startRedis(t)
  const [lost, regained] = [heard(t, 'directory.lost'), heard(t, 'directory.regained')]
  const [a] = await startCluster(t, redis, ['a'])
  await redis.kill()
  await until('it is told', () => lost.length === 1)
  const answer = await send(a.url, { body: initialize })
  t.equal(answer.status, 200)
  await redis.start()
  await until('the end is told', () => regained.length === 1)
  t.match([lost[0], regained[0]], [{ node: 'a', reason: String }, { node: 'a', durationMs: Number }])
  // What happened meanwhile is known all the same.
  const name = sessionName(answer.headers['mcp-session-id'] as string)
  t.match(await found(a, name, ({ steps }) => steps.length === 1), { status: 'local' })
})
