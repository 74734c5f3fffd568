// The SDK's own entry point without sessions on Fastify, as its documentation
// wires it up. `node sdk-handler.js <tools>`
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler } from '@modelcontextprotocol/server'
import Fastify from 'fastify'
import { obey } from '../process/orders.js'
import { KEEP_ALIVE } from './keep-alive.js'
import { createTools } from './tools.js'

const tools = Number(process.argv[2])
const handle = toNodeHandler(createMcpHandler(() => createTools('v2', tools)))
const app = Fastify({ keepAliveTimeout: KEEP_ALIVE })

app.post('/mcp', async (request, reply) => {
  reply.hijack()
  await handle(request.raw, reply.raw, request.body)
})

obey({
  listen: async () => {
    await app.listen({ host: '127.0.0.1', port: 0 })
    return app.server.address().port
  }
})
