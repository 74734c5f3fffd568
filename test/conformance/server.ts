// The everything-server behind the plugin: `server.ts <SDK line> <answer mode>`.
import Fastify from 'fastify'
import mcpSticky from '../../lib/index.ts'
import { MemoryEventStore } from '../fixtures/memory-event-store.ts'

const [line, responseMode] = process.argv.slice(2)
const { createServer } = await import(`../fixtures/everything-server-${line}.ts`)

const app = Fastify({ logger: { level: 'warn', stream: process.stderr } })
await app.register(mcpSticky, {
  createServer,
  responseMode: responseMode as 'auto' | 'sse',
  eventStore: new MemoryEventStore()
})
console.log(`${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`)
process.once('SIGTERM', () => app.close())
