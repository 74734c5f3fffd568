// The SDK's own transport on Fastify, the way its examples do it on Express.
// `node sdk-fastify.js json|sse`
import { randomUUID } from 'node:crypto'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import Fastify from 'fastify'
import { obey } from '../process/orders.js'
import { createEcho } from './echo.js'
import { KEEP_ALIVE } from './keep-alive.js'

const enableJsonResponse = process.argv[2] === 'json'
const app = Fastify({ keepAliveTimeout: KEEP_ALIVE })
const sessions = new Map()

async function open () {
  const transport = new StreamableHTTPServerTransport({
    enableJsonResponse,
    sessionIdGenerator: randomUUID,
    onsessioninitialized: id => { sessions.set(id, transport) },
    onsessionclosed: id => { sessions.delete(id) }
  })
  await createEcho().connect(transport)
  return transport
}

app.route({
  url: '/mcp',
  method: ['POST', 'GET', 'DELETE'],
  exposeHeadRoute: false,
  handler: async (request, reply) => {
    const id = request.headers['mcp-session-id']
    const transport = id === undefined ? await open() : sessions.get(id)
    if (!transport) return reply.code(404).send()
    reply.hijack()
    await transport.handleRequest(request.raw, reply.raw, request.body)
  }
})

obey({
  listen: async () => {
    await app.listen({ host: '127.0.0.1', port: 0 })
    return app.server.address().port
  }
})
