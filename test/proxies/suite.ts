import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { request } from 'undici'
import { lines } from '../fixtures/clients.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { connectPinned, modern } from '../fixtures/stateless.ts'
import { until } from '../fixtures/until.ts'
import { sawStep, seen, startNodes } from './nodes.ts'
import type { ProxiedNode } from './nodes.ts'

/** Starts a proxy in front of these nodes and returns its origin. */
export type StartProxy = (t: Test, nodes: ProxiedNode[]) => Promise<string>

const SESSIONS = 12
const CALLS = 5

/** What every proxy that routes on the session id must do, with clients that keep no cookies. */
export function proxySuite (t: Test, start: StartProxy): void {
  const startAll = async (t: Test): Promise<{ nodes: ProxiedNode[], origin: string, mcp: string }> => {
    const nodes = await startNodes(t)
    const origin = await start(t, nodes)
    return { nodes, origin, mcp: `${origin}/mcp` }
  }
  const refused = (nodes: ProxiedNode[]): string[] => nodes.flatMap(({ app }) => Object.entries(app.mcpSessions.counters.refused).flatMap(([reason, count]) => count > 0 ? [reason] : []))

  for (const [line, connect] of Object.entries(lines)) {
    t.test(`${line}: every call lands on its session's node`, async t => {
      const { nodes, mcp } = await startAll(t)
      await Promise.all(Array.from({ length: SESSIONS }, async () => {
        const client = await connect(t, mcp)
        for (let count = 1; count <= CALLS; count++) {
          if (await client.call('count') !== String(count)) throw new Error(`call ${count} met another session's state`)
        }
        if (await client.call('ask') !== 'Ada') throw new Error('the client was not asked')
      }))
      t.same(refused(nodes), [])
      t.same(nodes.map(({ app }) => app.mcpSessions.size > 0), [true, true, true], 'sessions are on all nodes')
      t.equal(nodes.reduce((sum, { app }) => sum + app.mcpSessions.size, 0), SESSIONS)
    })

    t.test(`${line}: SSE arrives event by event`, async t => {
      const { mcp } = await startAll(t)
      const client = await connect(t, mcp)
      const seen: number[] = []
      t.equal(await client.call('steps', {}, progress => {
        seen.push(progress)
        sawStep.get(client.sessionId())!()
      }), 'done')
      t.same(seen, [1, 2, 3])
    })
  }

  t.test('a GET stream reaches its session\'s node and stays open', async t => {
    const { nodes, mcp } = await startAll(t)
    const ids = await Promise.all(Array.from({ length: 6 }, () => open(mcp)))
    await Promise.all(ids.map(async id => {
      const stream = await request(mcp, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
      t.teardown(() => stream.body.destroy())
      if (stream.statusCode !== 200) throw new Error(`GET was answered ${stream.statusCode}`)
      let received = ''
      stream.body.on('data', chunk => { received += chunk }).on('error', () => {})
      for (const message of ['first', 'second']) {
        await inSession(mcp, id, call('announce', { message }))
        await until(`the ${message} message arrived`, () => received.includes(`"${message}"`))
      }
      if (stream.body.readableEnded) throw new Error('the stream has ended')
    }))
    t.same(refused(nodes), [])
  })

  t.test('calls without sessions go round the nodes; progress arrives step by step, rounds go on anywhere', async t => {
    const { nodes, mcp } = await startAll(t)
    const client = await connectPinned(t, mcp)
    for (let i = 0; i < 4 * nodes.length; i++) t.match(await client.callTool({ name: 'echo', arguments: { message: String(i) } }), { content: [{ text: String(i) }] })
    t.same(nodes.filter(({ app }) => app.mcpSessions.counters.stateless < 3), [], 'all nodes have had some')
    const name = randomUUID()
    const steps: string[] = []
    const reporting = client.callTool({ name: 'steps', arguments: { name } }, { onprogress: ({ progress }) => { steps.push(String(progress)) } })
    for (const step of ['1', '2', '3']) {
      await until(`step ${step} has arrived`, () => steps.includes(step))
      seen.release.get(`${name} ${step}`)!()
    }
    t.match(await reporting, { content: [{ text: name }] })
    t.match(await client.callTool({ name: 'rounds', arguments: { of: 3 } }), { content: [{ text: 'after 3' }] })
    t.same(refused(nodes), [])
    t.equal(nodes.reduce((sum, { app }) => sum + app.mcpSessions.counters.forwarded, 0), 0)
  })

  t.test('a client without a session that closes cancels its call', async t => {
    const { mcp } = await startAll(t)
    await Promise.all(Array.from({ length: SESSIONS }, async () => {
      const name = randomUUID()
      const { body, headers } = modern('tools/call', { name: 'wait', arguments: { name } })
      const left = new AbortController()
      const answer = request(mcp, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        signal: left.signal
      }).catch(() => 'left')
      await until('it waits', () => seen.begun.has(name))
      left.abort()
      await until('its handler hears of it', () => seen.aborted.has(name))
      t.equal(await answer, 'left')
    }))
  })

  t.test('what is MCP and what is not', async t => {
    const { nodes, origin } = await startAll(t)
    for (const path of ['/mcpfoo', '/graphql']) {
      const answers = await Promise.all(Array.from({ length: 30 }, () => send(`${origin}${path}`, { method: 'GET', headers: { 'mcp-session-id': `${nodes[0]!.app.mcpSessions.node.tag}.x` } })))
      t.same([...new Set(answers.map(({ body }) => body.node))].sort(), ['node-1', 'node-2', 'node-3'], `${path} goes round`)
    }
    t.equal((await send(`${origin}/mcp`, { body: initialize, headers: { origin } })).status, 200, 'the nodes see the Host that the browser asked for')
    for (const path of ['', '/mcp']) {
      t.match(await send(`${origin}/.well-known/oauth-protected-resource${path}`, { method: 'GET' }), { status: 200, body: { resource: 'https://mcp.example.com/mcp' } }, 'clients find out where tokens are to be had')
    }
    for (const path of ['/mcp-sticky/ready', '/mcp-sticky/alive']) {
      t.equal((await send(`${origin}${path}`, { method: 'GET' })).status, 404, `${path} is not for clients`)
    }
  })

  t.test('a node that is gone: 404 for its sessions, nothing for others, new sessions open', async t => {
    const { nodes, mcp } = await startAll(t)
    const [dead, ...alive] = nodes as [ProxiedNode, ...ProxiedNode[]]
    const ids: string[] = []
    await until('there is a session on every node', async () => {
      ids.push(await open(mcp))
      return nodes.every(({ app }) => app.mcpSessions.size > 0)
    })
    const lost = ids.filter(id => dead.app.mcpSessions.get(id))
    await dead.app.close()
    for (const id of ids) {
      const answer = await inSession(mcp, id, call('count'))
      t.equal(answer.status, lost.includes(id) ? 404 : 200, `the session was on the node that is gone: ${lost.includes(id)}`)
    }
    const before = alive.reduce((sum, { app }) => sum + app.mcpSessions.size, 0)
    for (let i = 0; i < 6; i++) t.equal((await send(mcp, { body: initialize })).status, 200, 'a new session')
    t.equal(alive.reduce((sum, { app }) => sum + app.mcpSessions.size, 0), before + 6)
  })
}
