// Real clients lose their connections in the middle of a call; the store in Redis has what they missed.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport, type EventStore } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import t, { type Test } from 'tap'
import { redisEventStore } from '../../../lib/redis/events/event-store.ts'
import { startApp } from '../../fixtures/app.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'

const BEFORE = 3
const AFTER = 250
const redis = connect(t, await startRedis(t))
await redis.ping()

/** Its tool reports a few steps, waits for the test, and reports many. */
function reporting () {
  let go = () => {}
  const gone = new Promise<void>(resolve => { go = resolve })
  const createServer = (): McpServer => {
    const server = new McpServer({ name: 'reporting', version: '1.0.0' })
    server.registerTool('report', {}, async extra => {
      const report = (progress: number) => extra.sendNotification({ method: 'notifications/progress', params: { progressToken: extra._meta!.progressToken!, progress } })
      for (let step = 1; step <= BEFORE; step++) await report(step)
      await gone
      for (let step = BEFORE + 1; step <= BEFORE + AFTER; step++) await report(step)
      return { content: [{ type: 'text', text: 'reported' }] }
    })
    return server
  }
  return { createServer, go }
}

/** Follows a server's connections. */
function watched (server: Server) {
  const sockets = new Set<Socket>()
  const resumes: string[] = []
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('request', ({ method, headers }: IncomingMessage) => {
    if (method === 'GET' && headers['last-event-id'] !== undefined) resumes.push(String(headers['last-event-id']))
  })
  return { resumes, cut: () => sockets.forEach(socket => socket.destroy()) }
}

/** Calls the tool, and cuts every connection when the first steps have arrived. */
async function callCut (t: Test, url: string, server: Server, go: () => void): Promise<void> {
  const { resumes, cut } = watched(server)
  const client = new Client({ name: 'test-client', version: '1.2.3' })
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    reconnectionOptions: { initialReconnectionDelay: 20, maxReconnectionDelay: 50, reconnectionDelayGrowFactor: 1, maxRetries: 100 }
  })
  t.teardown(() => client.close())
  await client.connect(transport as Parameters<typeof client.connect>[0])
  const seen: number[] = []
  const call = client.callTool({ name: 'report', arguments: {} }, undefined, { onprogress: ({ progress }) => seen.push(progress) })
  await until('the first steps are there', () => seen.length === BEFORE)
  cut()
  go()
  t.match(await call, { content: [{ text: 'reported' }] })
  t.same(seen, Array.from({ length: BEFORE + AFTER }, (_, n) => n + 1), 'every step once, in order')
  t.ok(resumes.length > 0, 'the client came back with an event id')
}

t.test('the SDK\'s own server transport', async t => {
  const { createServer, go } = reporting()
  const store = redisEventStore({ redis, keyPrefix: randomPrefix() })
  t.teardown(() => store.stop())
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID(), eventStore: store as EventStore, retryInterval: 20 })
  const mcp = createServer()
  await mcp.connect(transport as Parameters<typeof mcp.connect>[0])
  const server = createHttpServer((request, response) => { transport.handleRequest(request, response).catch(err => t.fail(err)) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    await mcp.close()
    server.close()
    server.closeAllConnections()
  })
  await callCut(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, server, go)
})

t.test('this plugin', async t => {
  const { createServer, go } = reporting()
  const keyPrefix = randomPrefix()
  const store = redisEventStore({ redis, keyPrefix })
  t.teardown(() => store.stop())
  const { app, url, log } = await startApp(t, { createServer, eventStore: store, stream: { retry: 20 } })
  await callCut(t, url, app.server, go)
  t.same(log.filter(({ level }) => level >= 40), [], 'nothing to complain of')
  t.ok((await redis.keys(`${keyPrefix}events:*`)).length === 1, 'one key for the session')
})
