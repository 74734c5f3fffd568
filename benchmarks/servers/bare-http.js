// The least that can answer MCP over HTTP: node:http, a map of sessions, one
// JSON answer a request. Checks nothing.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { obey } from '../process/orders.js'
import { createEcho } from './echo.js'
import { KEEP_ALIVE } from './keep-alive.js'

/** A transport that knows which response waits for which id, and nothing else. */
class BareTransport {
  waiting = new Map()
  async start () {}
  async close () { this.onclose?.() }
  async send (message) {
    const response = this.waiting.get(message.id)
    this.waiting.delete(message.id)
    const body = JSON.stringify(message)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
  }
}

const sessions = new Map()

async function open (response) {
  const id = randomUUID()
  const transport = new BareTransport()
  sessions.set(id, transport)
  response.setHeader('mcp-session-id', id)
  await createEcho().connect(transport)
  return transport
}

async function answer (request, response, body) {
  const id = request.headers['mcp-session-id']
  if (request.method === 'DELETE') {
    await sessions.get(id).close()
    sessions.delete(id)
    return response.writeHead(200).end()
  }
  const message = JSON.parse(body)
  const transport = id === undefined ? await open(response) : sessions.get(id)
  if (message.id === undefined) response.writeHead(202).end()
  else transport.waiting.set(message.id, response)
  transport.onmessage(message)
}

const server = createServer((request, response) => {
  const chunks = []
  request.on('data', chunk => chunks.push(chunk))
  request.on('end', () => answer(request, response, (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)).toString()))
})

server.keepAliveTimeout = KEEP_ALIVE

obey({
  listen: async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server.address().port
  }
})
