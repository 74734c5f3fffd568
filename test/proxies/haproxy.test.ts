import t from 'tap'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { until } from '../fixtures/until.ts'
import { configurationFor } from './documented-configuration.ts'
import { startNodes } from './nodes.ts'
import { startProxy } from './process.ts'
import { proxySuite } from './suite.ts'
import type { StartProxy } from './suite.ts'

const start: StartProxy = async (t, nodes) => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  await startProxy(t, {
    program: process.env['HAPROXY_BIN'] ?? 'haproxy',
    configuration: configurationFor('haproxy.cfg', nodes).replace('bind :80', `bind 127.0.0.1:${port}`),
    args: (_folder, path) => ['-db', '-f', path],
    url
  })
  return url
}

proxySuite(t, start)

t.test('a node that drains leaves the pool and keeps its sessions', async t => {
  const nodes = await startNodes(t)
  const origin = await start(t, nodes)
  const mcp = `${origin}/mcp`
  const [leaving] = nodes
  let id = ''
  await until('the node has a session', async () => { id = await open(mcp); return leaving!.app.mcpSessions.get(id) })
  const drained = leaving!.app.mcpSessions.drain()
  await until('the pool is without it', async () => {
    await open(mcp)
    const answers = await Promise.all(Array.from({ length: 6 }, () => send(origin, { method: 'GET' })))
    return answers.every(({ body }) => body.node !== 'node-1')
  })
  await drained
  const before = leaving!.app.mcpSessions.size
  for (let i = 0; i < 6; i++) await open(mcp)
  t.equal(leaving!.app.mcpSessions.size, before, 'new sessions open elsewhere')
  t.match(await inSession(mcp, id, call('count')), { status: 200, body: { result: { content: [{ text: '1' }] } } })
})
