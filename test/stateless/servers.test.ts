// What createServer of the stateless era may do wrong.
import t from 'tap'
import type { McpStickyOptions } from '../../lib/index.ts'
import { startApp } from '../fixtures/app.ts'
import { callTool, newSeen, statelessServer } from '../fixtures/stateless.ts'
import { Servers } from '../../lib/stateless/servers.ts'
import { keptLog } from '../fixtures/log.ts'
import { until } from '../fixtures/until.ts'

const echo = (url: string) => callTool(url, 'echo', { message: 'x' })
const each = (createServer: any): Partial<McpStickyOptions> => ({ stateless: { createServer } })

// The timer of what takes too long keeps no process alive.
const alive = setInterval(() => {}, 1000)
t.teardown(() => clearInterval(alive))

t.test('a server for each request, told of it, and ended with it', async t => {
  const told: any[] = []
  let closed = 0
  const { url } = await startApp(t, {
    ...each((request: any) => {
      const { era, sessionId, principal, request: { headers }, log } = request
      told.push({ era, sessionId, principal, agent: headers['x-agent'], log: typeof log.info })
      const server = statelessServer()
      server.server.onclose = () => { closed++ }
      return server
    }),
    principal: () => 'ada'
  })
  await callTool(url, 'echo', { message: 'x' }, { headers: { 'x-agent': 'a' } })
  t.strictSame(told, [{ era: 'stateless', sessionId: undefined, principal: 'ada', agent: 'a', log: 'function' }])
  await until('it has ended', () => closed === 1)
})

t.test('one that fails, is none, or was made before', async t => {
  const one = statelessServer()
  for (const [createServer, message] of [
    [() => { throw new Error('hush') }, /hush/], [async () => { throw new Error('hush') }, /hush/], [() => ({}), /must return an MCP server/],
    [() => ({ connect: async () => { throw new Error('no connection') }, close: async () => {} }), /no connection/]
  ] as const) {
    const { url, log } = await startApp(t, each(createServer))
    const answer = await echo(url)
    t.match(answer, { status: 500, body: { error: { code: -32603, data: { reason: 'server_failed' } } } })
    t.notMatch(answer.text, 'hush')
    t.match(log.find(({ reason }) => reason === 'server_failed'), { err: { message } })
  }
  const { url } = await startApp(t, each(() => one))
  t.equal((await echo(url)).status, 200)
  t.equal((await echo(url)).status, 500)
})

t.test('the application\'s own HTTP errors pass', async t => {
  const { url } = await startApp(t, each(() => { throw Object.assign(new Error('pay first'), { statusCode: 402 }) }))
  t.match(await echo(url), { status: 402, body: { message: 'pay first' } })
})

t.test('the shared one is made before the node serves, once, and told of no request', async t => {
  const told: object[] = []
  const { url, app } = await startApp(t, { stateless: { servers: 'shared', createServer: node => { told.push(node); return statelessServer() } } })
  t.strictSame(told.map(node => Object.keys(node)), [['log']])
  for (let i = 0; i < 3; i++) await echo(url)
  t.equal(told.length, 1)
  await app.close()
  await t.rejects(startApp(t, { stateless: { servers: 'shared', createServer: () => { throw new Error('no server') } } }), /no server/)
})

t.test('a shared one that closes is made again; what it had not answered fails', async t => {
  const seen = newSeen()
  const made: Array<ReturnType<typeof statelessServer>> = []
  const { url } = await startApp(t, { stateless: { servers: 'shared', createServer: () => { made.push(statelessServer(seen)); return made.at(-1)! } } })
  const call = callTool(url, 'wait', { name: 'w' })
  await until('it waits', () => seen.begun.has('w'))
  await made[0]!.close()
  t.match(await call, { status: 500, body: { error: { data: { reason: 'internal' } } } })
  t.equal((await echo(url)).status, 200)
  t.equal(made.length, 2)
})

t.test('one that takes too long, and is ended when it comes', async t => {
  let come = (_server: unknown): void => {}
  let closed = 0
  const log = keptLog()
  const servers = new Servers({ createServer: () => new Promise<any>(resolve => { come = resolve }), node: {}, changed: () => {}, log, bound: 20 })
  await t.rejects(servers.each({}, {}), { code: 'MCP_STICKY_ERR_SERVER_FAILED', message: /longer than 20 ms/ })
  come({ connect: async () => {}, close: async () => { closed++ } })
  await until('it has ended', () => closed === 1)
})
