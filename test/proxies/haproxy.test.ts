import t from 'tap'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { until } from '../fixtures/until.ts'
import { startNodes } from './nodes.ts'
import { startHaproxy } from './start.ts'
import { proxySuite } from './suite.ts'

proxySuite(t, startHaproxy)

t.test('a node that drains leaves the pool and keeps its sessions', async t => {
  const nodes = await startNodes(t)
  const origin = await startHaproxy(t, nodes)
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
