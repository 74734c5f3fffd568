// McpServers without any HTTP: what a session costs before we add to it.
import { obey } from '../process/orders.js'
import { createEcho } from './echo.js'

const held = []

class NoOpTransport {
  async start () {}
  async close () { this.onclose?.() }
  async send () { this.answered() }
}

async function open ({ count }) {
  for (let i = 0; i < count; i++) {
    const transport = new NoOpTransport()
    const server = createEcho()
    await server.connect(transport)
    await new Promise(resolve => {
      transport.answered = resolve
      transport.onmessage({
        jsonrpc: '2.0',
        id: 0,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } }
      })
    })
    transport.answered = undefined
    transport.onmessage({ jsonrpc: '2.0', method: 'notifications/initialized' })
    held.push(server)
  }
}

async function close () {
  for (const server of held.splice(0)) await server.close()
}

obey({ open, close })
