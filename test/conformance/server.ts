// The everything-server behind the plugin, for clients with and without sessions: `server.ts <SDK line> <answer mode> <each | shared> [<its url> <Redis>]`.
import { once } from 'node:events'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import mcpSticky, { redisEventStore } from '../../lib/index.ts'
import { MemoryEventStore } from '../fixtures/memory-event-store.ts'

const ERROR = 50
const [line, responseMode, servers, nodeUrl, redisUrl] = process.argv.slice(2)
const { createServer, createStatelessServer = createServer } = await import(`../fixtures/everything-server-${line}.ts`)

// A scenario that passes while the plugin logs an error has not passed.
function write (line: string): void {
  process.stderr.write(line)
  if (JSON.parse(line).level >= ERROR) process.exitCode = 1
}

const app = Fastify({ logger: { level: 'warn', stream: { write } } })
const redis = redisUrl === undefined ? undefined : new Redis(redisUrl)
app.addHook('onClose', () => redis?.disconnect())
await app.register(mcpSticky, {
  ...(redis !== undefined && { redis }),
  ...(nodeUrl !== undefined && { node: { url: nodeUrl }, allowedHosts: ['127.0.0.1'] }),
  createServer,
  stateless: { servers: servers as 'shared', createServer: createStatelessServer },
  responseMode: responseMode as 'auto' | 'sse',
  eventStore: redis === undefined ? new MemoryEventStore() : redisEventStore({ redis })
})
console.log(`${await app.listen({ host: '127.0.0.1', port: nodeUrl === undefined ? 0 : Number(new URL(nodeUrl).port) })}/mcp`)
await once(process, 'SIGTERM')
await app.close()
