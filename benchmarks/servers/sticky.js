// The plugin with everything on: ids and headers checked, sessions bound to
// their principal, the directory in Redis.
// `node sticky.js <redis url> auto|json|sse [port] [mark]`; with a port it is a node of
// a cluster: what is not here is forwarded, what has lost its node adopted. `mark`: its
// servers have a tool that changes the session's state. `--metrics`, at the end: it has those too.
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import mcpSticky from '../../dist/index.js'
import { mcpStickyMetrics } from '../../dist/metrics/index.js'
import { obey } from '../process/orders.js'
import { createEcho } from './echo.js'
import { KEEP_ALIVE } from './keep-alive.js'

const metrics = process.argv.at(-1) === '--metrics'
const [url, responseMode, port, mark] = process.argv.slice(2, metrics ? -1 : undefined)
const redis = new Redis(url)
// One measurement takes Redis away.
redis.on('error', () => {})
const app = Fastify({ keepAliveTimeout: KEEP_ALIVE })

await app.register(mcpSticky, {
  createServer: mark === undefined ? () => createEcho() : createMarking,
  redis,
  responseMode,
  ...(port !== undefined && { node: { url: `http://127.0.0.1:${port}` }, orphan: 'adopt' }),
  principal: request => ({ issuer: 'bench', subject: request.headers['x-user'] }),
  session: { maxPerNode: 100_000, maxPerPrincipal: 100_000 }
})
if (metrics) await app.register(mcpStickyMetrics)

obey({
  listen: async () => {
    await app.listen({ host: '127.0.0.1', port: Number(port ?? 0) })
    return app.server.address().port
  },
  streams,
  nodeKey: () => `mcp:node:${app.mcpSessions.node.id}`
})

/** An echo server whose sessions can be given another state. */
function createMarking ({ sessionId }) {
  const server = createEcho()
  server.registerTool('mark', {}, () => {
    app.mcpSessions.get(sessionId).state = { at: performance.now() }
    return { content: [{ type: 'text', text: 'marked' }] }
  })
  return server
}

/** Open streams of all sessions. */
async function streams () {
  let count = 0
  let cursor
  do {
    const page = await app.mcpSessions.list({ limit: 1000, ...(cursor && { cursor }) })
    for (const { id } of page.sessions) count += app.mcpSessions.get(id)?.streams ?? 0
    cursor = page.cursor
  } while (cursor)
  return count
}
