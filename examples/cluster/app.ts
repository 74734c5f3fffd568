// One node of the cluster: MCP at /mcp, whose sessions live in one node each,
// and GraphQL at /graphql, which any node answers. `npm run cluster` starts
// three; compose.yml does the same with Docker.
import fastify from 'fastify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import mcpSticky, { closeOnSignal, redisEventStore } from 'fastify-mcp-sticky'
import mcpStickyTraefik from 'fastify-mcp-sticky/traefik'
import { Redis } from 'ioredis'
import { mercurius } from 'mercurius'
import { createServer } from './server.ts'

const { NODE_ID = 'node-1', NODE_URL, REDIS_URL = 'redis://127.0.0.1:6379', TRAEFIK_TOKEN, HOST = '127.0.0.1', PORT = '3000' } = process.env

const app = fastify({
  logger: { level: process.env['LOG_LEVEL'] ?? 'warn' },
  // Longer than Traefik keeps idle connections (60 s in traefik.yml, else 90 s): the node must not be the first to close one.
  keepAliveTimeout: 100_000
})

// A client of our own, so that the node starts while Redis is down.
const redis = new Redis(REDIS_URL)
redis.on('error', error => app.log.warn(error, 'redis'))
// Hooks of onClose run in reverse: what is registered from here on is done with Redis by then.
app.addHook('onClose', async () => redis.disconnect())

await app.register(mcpSticky, {
  createServer: ({ sessionId }) => createServer(NODE_ID, () => app.mcpSessions.get(sessionId)!),
  redis,
  node: { id: NODE_ID, url: NODE_URL ?? `http://${HOST}:${PORT}` },
  // A session goes on when its node is gone: the node that is asked next takes it over.
  orphan: 'adopt',
  onAdopt: ({ sessionId }) => console.log(`${NODE_ID} has taken over session ${sessionId.slice(0, 21)}…`),
  // Streams go on where they broke off, on any node.
  eventStore: redisEventStore({ redis, log: app.log })
})
// A token makes the list of nodes readable for Traefik's HTTP provider.
if (TRAEFIK_TOKEN !== undefined) {
  await app.register(mcpStickyTraefik, { token: TRAEFIK_TOKEN, entryPoints: ['websecure'], tls: true })
}
await app.register(mercurius, {
  schema: 'type Query { node: String! }',
  resolvers: { Query: { node: () => NODE_ID } }
})
app.addHook('onRequest', async (request, reply) => {
  // A stream is worth a line when it opens, a call when it is answered.
  if (request.method === 'GET') show(request, reply)
  else reply.raw.once('close', () => show(request, reply))
})

await app.listen({ host: HOST, port: Number(PORT) })
console.log(`${NODE_ID} is ready`)

// Out of the proxy's pool first, then calls in flight, then the application.
closeOnSignal(app)

/** One line a request: verb, path, and the session, shortened since an id is a credential. */
function show ({ method, url, headers }: FastifyRequest, reply: FastifyReply): void {
  if (url.startsWith('/mcp-sticky/')) return
  const session = headers['mcp-session-id'] ?? reply.getHeader('mcp-session-id')
  const id = session === undefined ? '' : `session ${String(session).slice(0, 21)}…`
  console.log(method.padEnd(6), url.padEnd(8), method === 'GET' ? '   ' : reply.raw.statusCode, id)
}
