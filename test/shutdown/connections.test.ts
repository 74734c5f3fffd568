import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { generate } from 'selfsigned'
import t from 'tap'
import { Agent, request } from 'undici'
import { connectionsOf } from '../../lib/shutdown/connections.ts'
import { until } from '../fixtures/until.ts'

/** A client in this process: what it sends is in the kernel's hands, while the server has no turn of the loop to accept it. */
function client (server: Server): { socket: Socket, heard: () => string } {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let heard = ''
  socket.on('data', chunk => { heard += chunk }).on('error', error => { heard += (error as NodeJS.ErrnoException).code })
  return { socket, heard: () => heard }
}

async function listening (t: { teardown: (end: () => void) => void }): Promise<Server> {
  const server = createServer((_request, response) => response.end('well'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.closeAllConnections())
  return server
}

const GET = 'GET / HTTP/1.1\r\nhost: here\r\n\r\n'

t.test('who has connected before the end is served, however many there are', async t => {
  const seen: Socket[] = []
  const server = await listening(t)
  server.on('connection', socket => seen.push(socket))
  const connections = connectionsOf(server)
  const clients = Array.from({ length: 50 }, () => client(server))
  for (const { socket } of clients) socket.write(GET)
  // The first is accepted in the turn in which the end begins, the others wait in the kernel.
  await once(server, 'connection')
  t.ok(seen.length < clients.length, `${seen.length} of ${clients.length} are accepted`)
  const ended = connections.end(new AbortController().signal)
  await until('all are served', () => clients.every(({ heard }) => heard() !== ''))
  for (const { heard } of clients) t.match(heard(), /^HTTP\/1.1 200 OK\r\n.*Connection: close\r\n/s)
  await ended
  t.equal(seen.length, clients.length, 'who listens for connections hears of each once')
  t.notOk(server.listening)
})

t.test('so it is with TLS', async t => {
  const { cert, private: key } = await generate()
  const server = createSecureServer({ cert, key }, (_request, response) => response.end('well'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const connections = connectionsOf(server)
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ connect: { rejectUnauthorized: false } })
  t.teardown(() => agent.close())
  const asked = Promise.all(Array.from({ length: 20 }, async () => {
    const { statusCode, body } = await request(`https://127.0.0.1:${port}/`, { dispatcher: agent })
    return `${statusCode} ${await body.text()}`
  }))
  await once(server, 'connection')
  await connections.end(new AbortController().signal)
  t.strictSame(new Set(await asked), new Set(['200 well']))
})

t.test('what listens for connections stays as it was', async t => {
  const server = await listening(t)
  const connections = connectionsOf(server)
  const once = (): void => {}
  server.once('connection', once)
  const before = server.rawListeners('connection')
  await connections.end(new AbortController().signal)
  t.strictSame(server.rawListeners('connection'), before)
  t.notOk((server as { pauseOnConnect?: boolean }).pauseOnConnect)
})
