import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { z } from 'zod'
import mcpSticky from '../../lib/index.ts'
import { freePort } from '../fixtures/free-port.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { createServer as createSessionServer } from '../fixtures/session-server.ts'
import { newSeen, statelessServer } from '../fixtures/stateless.ts'

export interface ProxiedNode { app: FastifyInstance, url: string }

/** The session server, and two tools: the next step of one waits for the client to have seen the last; one speaks on the standalone stream. */
function createServer (): ReturnType<typeof createSessionServer> {
  const server = createSessionServer()
  server.registerTool('steps', {}, async extra => {
    for (let progress = 1; progress <= 3; progress++) {
      const seen = new Promise<void>(resolve => { sawStep.set(extra.sessionId!, resolve) })
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken: extra._meta!.progressToken!, progress, total: 3 } })
      await seen
    }
    return { content: [{ type: 'text', text: 'done' }] }
  })
  server.registerTool('announce', { inputSchema: { message: z.string() } }, async ({ message }) => {
    await server.server.sendLoggingMessage({ level: 'info', data: message })
    return { content: [] }
  })
  return server
}

/** What became of the calls without sessions that wait, on any node. */
export const seen = newSeen()

/** Session id → tells the tool `steps` that its client has seen the step. */
export const sawStep = new Map<string, () => void>()

/** Three nodes on one Redis, whose `node.url` is where they listen. `/` says who answers. */
export async function startNodes (t: Test): Promise<ProxiedNode[]> {
  const redis = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  return Promise.all([1, 2, 3].map(async number => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const app = Fastify({ forceCloseConnections: true })
    t.teardown(() => app.close())
    await app.register(mcpSticky, {
      createServer,
      stateless: { servers: 'shared', createServer: () => statelessServer(seen) },
      // A call that waits is silent until it is told otherwise.
      stream: { wait: 60_000 },
      redis: connect(t, redis),
      keyPrefix,
      node: { id: `node-${number}`, url, heartbeat: 200 },
      oauth: { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] }
    })
    app.get('/*', async () => ({ node: `node-${number}` }))
    await app.listen({ host: '127.0.0.1', port })
    return { app, url }
  }))
}
