// The command that tells what happens on all nodes, against a real Redis and nodes.
import t from 'tap'
import type { Test } from 'tap'
import { run } from '../../../lib/cli/run.ts'
import { sessionName } from '../../../lib/session-id.ts'
import { startCluster } from '../../fixtures/cluster.ts'
import { call, initialize, inSession, open, send } from '../../fixtures/http.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { until } from '../../fixtures/until.ts'

/** Two nodes, and what begins to watch them; it ends with the test. */
async function setUp (t: Test) {
  const redis = await startRedis(t)
  const nodes = await startCluster(t, redis, ['a', 'b'], { node: { heartbeat: 200 }, orphan: 'adopt' })
  const client = connect(t, redis)
  const keyPrefix = (await client.keys('*members'))[0]!.slice(0, -'members'.length)
  function watch (url: string, ...args: string[]) {
    const interrupted = new AbortController()
    const told = { out: '', err: '', interrupt: () => interrupted.abort(), code: Promise.resolve(-1) }
    told.code = run(['events', '--redis', url, '--key-prefix', keyPrefix, ...args], {
      out: text => { told.out += text },
      err: text => { told.err += text },
      env: {},
      interrupted: () => interrupted.signal
    })
    t.teardown(() => { interrupted.abort() })
    return told
  }
  const watched = async (...args: string[]) => {
    const told = watch(redis.url, ...args)
    await until('both tell', () => /listening to a\n/.test(told.err) && /listening to b\n/.test(told.err))
    return told
  }
  return { redis, client, keyPrefix, nodes, watch, watched }
}

t.test('sessions and refusals of all nodes, a line each; calls only where they are asked for', async t => {
  const { nodes: [a, b], watched } = await setUp(t)
  const told = await watched()
  const calls = await watched('--calls', '--json')
  const id = await open(a.url)
  const name = sessionName(id)
  t.equal((await inSession(b.url, id, call('count'))).status, 200)
  t.equal((await inSession(b.url, 'unknown', call('count'))).status, 404)
  await until('all is told', () => /session\.opened/.test(told.out) && /request\.refused/.test(told.out) && /forward\.done/.test(calls.out) && /request\.done/.test(calls.out))
  t.match(told.out, new RegExp(`^\\d{4}-\\S+Z  a  session\\.opened  endpoint=default  session=${name}  protocolVersion=2025-11-25`, 'm'))
  t.match(told.out, /^\S+Z {2}b {2}request\.refused {2}.*reason=unknown/m)
  t.notMatch(told.out, /forward\.done|request\.done/)
  t.notOk((told.out + calls.out).includes(id), 'no whole id')
  const lines = calls.out.trim().split('\n').map(line => JSON.parse(line) as { event: string, node: string, session?: string, tool?: string })
  t.match(lines.find(({ event }) => event === 'forward.done'), { node: 'b', session: name, tool: 'count' })
  told.interrupt()
  t.equal(await told.code, 0)
})

t.test('what others publish there ends no watch, and what a client calls itself does not act on the terminal', async t => {
  const { nodes: [a], client, keyPrefix, watched } = await setUp(t)
  const told = await watched('--json')
  for (const junk of ['junk', '1', '{}', '{"node":"x","events":[null,1,{"event":"e","at":1e300},{"event":"e"}]}']) await client.publish(`${keyPrefix}live`, junk)
  await send(a.url, { body: { ...initialize, params: { ...initialize.params, clientInfo: { name: 'a\u009b31m\u202e', version: '1' } } } })
  await until('it is told', () => told.out.includes('session.opened'))
  t.ok(told.out.includes('a\\u009b31m\\u202e'))
  t.match(told.out.trim().split('\n').map(line => JSON.parse(line) as object), [{ event: 'session.opened', clientName: 'a\u009b31m\u202e' }])
})

t.test('of one kind, node or session alone', async t => {
  const { nodes: [a, b], watched } = await setUp(t)
  const ofB = await watched('--node', 'b')
  const opened = await watched('--kind', 'session.opened', '--calls')
  const first = await open(a.url)
  const ofFirst = await watched('--session', sessionName(first).slice(0, 6))
  const second = await open(b.url)
  await a.app.mcpSessions.close(first)
  await b.app.mcpSessions.close(second)
  await until('all is told', () => /session\.ended/.test(ofB.out) && /session\.ended/.test(ofFirst.out) && opened.out.split('\n').length === 3)
  t.notOk(ofB.out.includes(sessionName(first)))
  t.notOk(ofFirst.out.includes(sessionName(second)))
  t.notOk(opened.out.includes('session.ended'))
})

t.test('a node that may not publish serves on; a Redis that goes is said', async t => {
  const { redis, client, keyPrefix, nodes: [a], watch, watched } = await setUp(t)
  await client.call('ACL', 'SETUSER', 'default', 'resetchannels')
  const url = new URL(redis.url)
  await client.call('ACL', 'SETUSER', 'watcher', 'on', '>secret', 'allkeys', 'allchannels', '+@all')
  url.username = 'watcher'
  url.password = 'secret'
  t.equal(await watch(url.href, '--for', '500ms').code, 0, 'it ends by itself')
  await until('the nodes have heard of it', async () => await client.exists(`${keyPrefix}node:a:close`) === 0)
  const id = await open(a.url)
  t.equal((await inSession(a.url, id, call('count'))).status, 200)
  t.match(await watch(redis.url).code, 3, 'who may not subscribe is told so')
  await client.call('ACL', 'SETUSER', 'default', 'allchannels')
  const told = await watched()
  await redis.kill()
  t.equal(await told.code, 3)
  t.match(told.err, 'Redis')
})

t.test('what is asked wrongly', async t => {
  const { watch, redis } = await setUp(t)
  const told = watch(redis.url, '--for', 'ever')
  t.equal(await told.code, 2)
  t.match(told.err, '--for "ever": must be a number with a unit')
})
