// The command, as an operator runs it: against a real Redis, nodes that live and nodes that died.
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { run } from '../../lib/cli/run.ts'
import { sessionName } from '../../lib/session-id.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import { startCluster } from '../fixtures/cluster.ts'
import { connect, connectCluster, startCluster as startRedisCluster, startRedis } from '../fixtures/redis.ts'
import { randomPrefix } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'
import { startApp } from '../fixtures/app.ts'

const cli = join(import.meta.dirname, '../../lib/cli/cli.ts')

interface Ran { code: number, out: string, err: string }

/** Runs a command in this process. */
async function ran (args: string[], env: Record<string, string> = {}): Promise<Ran> {
  let [out, err] = ['', '']
  const code = await run(args, { out: text => { out += text }, err: text => { err += text }, env })
  return { code, out, err }
}

/** Runs commands on one Redis. */
function on (url: string, keyPrefix: string) {
  const asked = (...args: string[]): Promise<Ran> => ran([...args, '--redis', url, '--key-prefix', keyPrefix])
  const json = async (...args: string[]): Promise<any> => JSON.parse((await asked(...args, '--json')).out)
  return { asked, json }
}

async function setUp (t: Test) {
  const redis = await startRedis(t)
  const keyPrefix = randomPrefix()
  return { redis, keyPrefix, ...on(redis.url, keyPrefix) }
}

t.test('a node that is killed: who took the session over, and when; afterwards why it is gone, with every node down', async t => {
  const { redis, keyPrefix, asked, json } = await setUp(t)
  const nodes = []
  for (const id of ['a', 'b']) {
    nodes.push(await startNodeProcess(t, { redis: redis.url, keyPrefix, node: { id, url: `http://127.0.0.1:${await freePort()}`, heartbeat: 500 }, orphan: 'adopt' }))
  }
  const [a, b] = nodes as [typeof nodes[0], typeof nodes[0]]
  await until('both are there', async () => (await json('nodes')).length === 2)
  t.match((await asked('nodes')).out, /^NODE +STATE +SESSIONS.*\na +up.*\nb +up/)
  const id = await open(a!.url)
  const name = sessionName(id)
  await until('it is known', async () => (await json('session', name)).steps?.length === 1)
  t.match(await asked('session', name), { code: 0, out: `session ${name}: lives on node a` })

  a!.kill()
  await a!.ended
  await until('b has taken it over', async () => (await inSession(b!.url, id, call('count'))).status === 200)
  await until('that is noted', async () => (await json('session', name)).steps.at(-1).what === 'adopted')
  const told = await asked('session', name.slice(0, 5))
  t.match(told, { code: 0, out: `session ${name}: lives on node b` })
  t.match(told.out, /\d s +adopted from a +b\n/)
  t.strictSame((await json('session', name)).steps.map(({ what, node }: { what: string, node: string }) => [what, node]), [['opened', 'a'], ['adopted', 'b']])
  t.notOk(told.out.includes(id))

  t.equal((await send(b!.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })).status, 200)
  await until('its end is noted', async () => (await json('session', name)).status === 'ended')
  b!.kill()
  await b!.ended
  t.match(await asked('session', name), { code: 0, out: `session ${name}: has ended: ended, requested` })
  t.match(await asked('session', id), { code: 0, out: `session ${name}: has ended` }, 'by its id too')
  t.match(await asked('session', 'AAAAAAAAAAAA'), { code: 1, out: 'there is none' })
  t.match(await asked('session', 'nothing'), { code: 1, err: 'No session begins with nothing.' })
  t.match(await asked('session', 'not a name!'), { code: 2, err: 'neither the name of a session nor an id' })
  await until('nobody is left', async () => (await json('nodes')).length === 0)
})

t.test('sessions in pages, by node, principal and use; what a client calls itself does not act on the terminal', async t => {
  const { redis, keyPrefix, asked, json } = await setUp(t)
  const { app, url } = await startApp(t, { redis: connect(t, redis), keyPrefix, node: { id: 'a', heartbeat: 200 }, principal: request => request.headers.authorization ? { issuer: 'i', subject: request.headers.authorization } : null })
  const mine = await open(url, { authorization: 'ann' })
  const others = [await open(url), await open(url)]
  await send(url, { body: { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: '\u001b[31mred\u202e', version: '1' } } } })
  const names = async (...args: string[]): Promise<string[]> => (await json('sessions', ...args)).sessions.map(({ session }: { session: string }) => session)
  await until('all are listed', async () => (await names()).length === 4)
  t.strictSame(await names('--principal', 'ann'), [sessionName(mine)])
  t.strictSame(await names('--node', 'b'), [])
  t.strictSame(await names('--idle', '1d'), [])
  const { out } = await asked('sessions')
  t.ok(out.includes('\\u001b[31mred\\u202e'))
  t.notOk(/[\u001b\u202e]/.test(out)) // eslint-disable-line no-control-regex
  t.notOk([mine, ...others].some(id => out.includes(id)), 'no whole id')
  const first = await json('sessions', '--limit', '3')
  t.equal(first.sessions.length, 3)
  t.equal((await json('sessions', '--limit', '3', '--cursor', first.cursor)).sessions.length, 1)
  t.match((await asked('sessions', '--limit', '3')).out, `There are more: --cursor ${first.cursor}`)

  t.match(await asked('close', sessionName(mine)), { code: 0, out: `session ${sessionName(mine)} is closed` })
  await until('its node has heard of it', () => app.mcpSessions.size === 3)
  t.equal((await inSession(url, mine, call('count'), { authorization: 'ann' })).status, 404)
  t.match(await asked('close', sessionName(mine)), { code: 1, err: 'There is no session' })
})

t.test('a node that is asked to drain hands its sessions over; one that has restarted since is not meant', async t => {
  const redis = await startRedis(t)
  const [a, b] = await startCluster(t, redis, ['a', 'b'], { node: { heartbeat: 500 }, orphan: 'adopt', drain: { grace: 0, timeout: 10_000 } })
  const id = await open(a.url)
  const [key] = await connect(t, redis).keys('*members')
  const keyPrefix = key!.slice(0, -'members'.length)
  const { asked } = on(redis.url, keyPrefix)
  t.match(await asked('drain', 'c'), { code: 1, err: 'There is no live node c.' })
  await connect(t, redis).sadd(`${keyPrefix}node:b:close`, '*drain of-another')
  t.match(await asked('drain', 'a'), { code: 0, out: 'node a is draining' })
  t.equal((await inSession(b.url, id, call('count'))).status, 200)
  t.match(b.app.mcpSessions.counters, { adopted: 1 })
  await until('the entry for another is gone', async () => await connect(t, redis).exists(`${keyPrefix}node:b:close`) === 0)
  t.equal((await b.app.mcpSessions.nodes()).find(node => node.id === 'b')!.state, 'up')
})

t.test('a Cluster, and the address from a file or the environment', async t => {
  const servers = await startRedisCluster(t)
  const keyPrefix = randomPrefix()
  const { url } = await startApp(t, { redis: connectCluster(t, servers), keyPrefix, node: { id: 'a', heartbeat: 200 } })
  const name = sessionName(await open(url))
  const urls = servers.masters.flatMap(({ url }) => ['--redis', url])
  const session = (): Promise<Ran> => ran(['session', name.slice(0, 6), '--cluster', ...urls, '--key-prefix', keyPrefix])
  await until('it is found', async () => (await session()).code === 0)
  t.match(await session(), { out: `session ${name}: lives on node a` })

  const { redis } = await setUp(t)
  t.match(await ran(['nodes', '--json'], { MCP_STICKY_REDIS: redis.url }), { code: 0, out: '[]\n' })
  const file = join(t.testdir(), 'url')
  await writeFile(file, `${redis.url}\n`)
  t.match(await ran(['nodes', '--json', '--redis-file', file]), { code: 0, out: '[]\n' })
})

t.test('what is asked wrongly, and a Redis that is not there, say what to do', async t => {
  t.match(await ran([]), { code: 2, err: /^a command is missing\n\nfastify-mcp-sticky COMMAND/ })
  t.match(await ran(['toString']), { code: 2, err: 'there is no command "toString"' })
  t.match(await ran(['session']), { code: 2, err: /^NAME is missing\n\nfastify-mcp-sticky session NAME/ })
  t.match(await ran(['nodes', 'x']), { code: 2, err: '"x" is more than is asked for' })
  t.match(await ran(['nodes', '--redis', 'localhost']), { code: 2, err: '--redis: must be a URL' })
  t.match(await ran(['nodes', '--redis-file', '/none']), { code: 2, err: '--redis-file: ENOENT' })
  t.match(await ran(['nodes', '--made-up']), { code: 2, err: '--made-up' })
  const { redis } = await setUp(t)
  for (const [option, value] of [['idle', '5'], ['limit', '0'], ['limit', '1001'], ['cursor', '!']]) {
    t.match(await ran(['sessions', '--redis', redis.url, `--${option!}`, value!]), { code: 2, err: option! }, `${option} ${value}`)
  }
  const secret = 'hunter2'
  const gone = await ran(['nodes', '--redis', `redis://:${secret}@127.0.0.1:${await freePort()}`])
  t.match(gone, { code: 3, err: /^Redis cannot be reached: .*ECONNREFUSED.*--redis-file/ })
  t.notOk(gone.err.includes(secret))
})

t.test('help, version, and the process itself', async t => {
  for (const args of [['--help'], ['-h'], ['help']]) t.match(await ran(args), { code: 0, out: /^fastify-mcp-sticky COMMAND/ })
  for (const verb of ['nodes', 'sessions', 'session', 'close', 'drain', 'events']) t.match(await ran([verb, '--help']), { code: 0, out: new RegExp(`^fastify-mcp-sticky ${verb} [^]*--key-prefix`) }, verb)
  t.match(await ran(['--version']), { code: 0, out: /^\d+\.\d+\.\d+\S*\n$/ })
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, cli, '--version'])
  t.match(stdout, /^\d/)
  const failed = await promisify(execFile)(process.execPath, [...process.execArgv, cli, 'nothing']).catch((error: unknown) => error)
  t.match(failed, { code: 2, stderr: 'there is no command "nothing"' })
})
