// The everything-server behind the plugin: `server.ts <SDK line> <answer mode>`.
import Fastify from 'fastify'
import mcpSticky from '../../lib/index.ts'
import { MemoryEventStore } from '../fixtures/memory-event-store.ts'

const ERROR = 50
const [line, responseMode] = process.argv.slice(2)
const { createServer } = await import(`../fixtures/everything-server-${line}.ts`)

// A scenario that passes while the plugin logs an error has not passed.
function write (line: string): void {
  process.stderr.write(line)
  if (JSON.parse(line).level >= ERROR) process.exitCode = 1
}

const app = Fastify({ logger: { level: 'warn', stream: { write } } })
await app.register(mcpSticky, {
  createServer,
  responseMode: responseMode as 'auto' | 'sse',
  eventStore: new MemoryEventStore()
})
console.log(`${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`)
process.once('SIGTERM', () => app.close())
