// The plugin with everything on, without sessions or with them.
// `node eras.js <redis url> each|shared|sessions v1|v2 <tools>`
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import mcpSticky from '../../dist/index.js'
import { obey } from '../process/orders.js'
import { KEEP_ALIVE } from './keep-alive.js'
import { createTools } from './tools.js'

const [url, servers, line, tools] = process.argv.slice(2)
const redis = new Redis(url)
const app = Fastify({ keepAliveTimeout: KEEP_ALIVE })
const createServer = () => createTools(line, Number(tools))

await app.register(mcpSticky, {
  createServer,
  stateless: servers === 'sessions' ? false : { servers, createServer },
  redis,
  principal: request => ({ issuer: 'bench', subject: request.headers['x-user'] })
})

obey({
  listen: async () => {
    await app.listen({ host: '127.0.0.1', port: 0 })
    return app.server.address().port
  },
  nodeKey: () => `mcp:node:${app.mcpSessions.node.id}`
})
