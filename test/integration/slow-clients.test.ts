// Clients that read slowly or not at all, over sockets: alone, and behind another node.
import t from 'tap'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { Test } from 'tap'
import { z } from 'zod'
import type { McpStickyOptions } from '../../lib/index.ts'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { MemoryEventStore } from '../fixtures/memory-event-store.ts'
import { randomPrefix } from '../fixtures/redis-node.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const MiB = 1024 * 1024
/** More than the kernel takes for a client that reads nothing. */
const BIG = 14
const TOO_SLOW = /reads too slowly/
/** Three intervals of it are a third of a second. */
const IMPATIENT = { stream: { keepAlive: 100 } }
const redis = await startRedis(t)

function createServer (): McpServer {
  const server = new McpServer({ name: 'slow-clients', version: '1' }, { capabilities: { logging: {} } })
  const text = (length: number) => ({ content: [{ type: 'text' as const, text: 'x'.repeat(length) }] })
  server.registerTool('big', { inputSchema: { size: z.number() } }, async ({ size }) => text(size * MiB))
  /** Says `count` times `size` MiB without waiting, on its own stream or on a standalone one. */
  server.registerTool('flood', { inputSchema: { count: z.number(), size: z.number(), own: z.boolean().optional() } }, async ({ count, size, own = true }, extra) => {
    for (let n = 0; n < count; n++) {
      const note = { method: 'notifications/message' as const, params: { level: 'info' as const, data: `${n}${'y'.repeat(size * MiB)}` } }
      ;(own ? extra.sendNotification(note) : server.server.notification(note)).catch(() => {})
    }
    return text(1)
  })
  return server
}

/** A client that sends one request and reads nothing of the answer, or what `read` says. */
function client (t: Test, url: string, id: string, body?: object): Socket {
  const { hostname, port, pathname, host } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  t.teardown(() => socket.destroy())
  socket.on('error', () => {}).pause()
  const json = body === undefined ? '' : JSON.stringify(body)
  const more = body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${json.length}\r\n`
  socket.write(`${body === undefined ? 'GET' : 'POST'} ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json, text/event-stream\r\nMcp-Session-Id: ${id}\r\n${more}\r\n${json}`)
  return socket
}

interface Pair { owner: StartedApp, hop: StartedApp }

async function startPair (t: Test, options: Partial<McpStickyOptions> = {}): Promise<Pair> {
  const keyPrefix = randomPrefix()
  const start = async (id: string): Promise<StartedApp> => startApp(t, {
    createServer, redis: connect(t, redis), keyPrefix, node: { id, url: `http://127.0.0.1:${await freePort()}` }, ...options
  })
  return { owner: await start('owner'), hop: await start('hop') }
}

const slow = ({ log }: StartedApp) => log.filter(line => TOO_SLOW.test(line.msg))
const connections = ({ app }: StartedApp): Promise<number> => new Promise((resolve, reject) => app.server.getConnections((error, count) => error ? reject(error) : resolve(count)))

t.test('a message of any size reaches a client that reads, whatever the node may keep', async t => {
  const { owner, hop } = await startPair(t, { responseMode: 'sse', stream: { maxBuffered: MiB }, eventStore: new MemoryEventStore() })
  const id = await open(owner.url)
  for (const { url } of [owner, hop]) {
    const answer = await inSession(url, id, call('big', { size: 20 }))
    t.match(answer.headers['content-type'], /event-stream/)
    t.equal(answer.text.length > 20 * MiB && answer.text.endsWith('}\n\n'), true, url)
  }
  const batches = await send(owner.url, { body: { ...initialize, params: { ...initialize.params, protocolVersion: '2025-03-26' } } })
  const old = batches.headers['mcp-session-id'] as string
  const batch = await inSession(owner.url, old, [call('big', { size: BIG }, 'a')])
  t.equal(batch.text.length > BIG * MiB && batch.text.endsWith('}\n\n'), true, 'a batch')
  t.same([...slow(owner), ...slow(hop)], [])
})

t.test('so do many in one turn, on the stream of a call and on a standalone one', async t => {
  const { owner, hop } = await startPair(t)
  const id = await open(owner.url)
  for (const { url } of [owner, hop]) {
    const answer = await inSession(url, id, call('flood', { count: 20, size: 1 }))
    t.equal(answer.text.split('\n').filter(line => line.startsWith('data: ')).length, 21)
    const listener = client(t, url, id)
    let seen = 0
    listener.on('data', chunk => { seen += chunk.length }).resume()
    await until('it is open', () => owner.app.mcpSessions.get(id)!.streams === 1)
    await inSession(url, id, call('flood', { count: 20, size: 1, own: false }))
    await until('all has arrived', () => seen > 20 * MiB)
    listener.destroy()
    await until('it is closed', () => owner.app.mcpSessions.get(id)!.streams === 0)
  }
  t.same([...slow(owner), ...slow(hop)], [])
})

t.test('a client that reads a little at a time is not too slow', async t => {
  const { url, app, log } = await startApp(t, { createServer, ...IMPATIENT, responseMode: 'sse' })
  const id = await open(url)
  const socket = client(t, url, id, call('big', { size: 6 }))
  let seen = 0
  const began = performance.now()
  socket.on('data', chunk => {
    seen += chunk.length
    // 16 times a second 64 KiB: a good second in all.
    socket.pause()
    setTimeout(() => socket.resume(), 10)
  }).resume()
  await until('all has arrived', () => seen > 6 * MiB)
  t.ok(performance.now() - began > 500, 'for longer than one that takes nothing may')
  t.same(log.filter(line => TOO_SLOW.test(line.msg)), [])
  await until('the call is over', () => !app.mcpSessions.get(id)!.busy)
})

for (const [what, responseMode, body] of [
  ['a stream whose call is over', 'sse', call('big', { size: BIG })],
  ['a stream of many messages', 'auto', call('flood', { count: BIG, size: 1 })],
  ['a JSON body', 'json', call('big', { size: BIG })],
  ['a standalone stream', 'auto', undefined]
] as const) {
  for (const by of ['owner', 'hop'] as const) {
    t.test(`who takes nothing for some keep-alive intervals is dropped: ${what}, at the ${by}`, async t => {
      const pair = await startPair(t, { ...IMPATIENT, responseMode })
      const id = await open(pair.owner.url)
      const socket = client(t, pair[by].url, id, body)
      if (body === undefined) {
        await until('it is open', () => pair.owner.app.mcpSessions.get(id)!.streams === 1)
        await inSession(pair.owner.url, id, call('flood', { count: BIG, size: 1, own: false }))
      }
      await until('it is told', () => slow(pair[by]).length === 1)
      t.match(slow(pair[by])[0], { level: 40, session: String, unsent: Number })
      await until('nothing of it is left', async () => await connections(pair[by]) <= 1 && pair.owner.app.mcpSessions.get(id)!.streams === 0)
      socket.resume()
      await until('the client has learnt of it', () => socket.destroyed)
      t.equal((await inSession(pair[by].url, id, call('big', { size: 0 }, 'next'))).status, 200)
    })
  }
}

t.test('what clients leave unread is bounded for the node: those that keep most go, and readers do not', async t => {
  const { url, app, log } = await startApp(t, { createServer, responseMode: 'sse', stream: { maxBuffered: 80 * MiB } })
  const ids = await Promise.all([12, 20, 16, 24].map(async size => ({ size, id: await open(url) })))
  const sockets = ids.map(({ size, id }) => ({ size, socket: client(t, url, id, call('flood', { count: size, size: 1 })) }))
  const dropped = () => log.filter(line => TOO_SLOW.test(line.msg))
  await until('some are gone', () => dropped().length >= 1)
  const reader = await inSession(url, await open(url), call('big', { size: 20 }))
  t.ok(reader.text.length > 20 * MiB)
  await until('the calls are over', () => ids.every(({ id }) => !app.mcpSessions.get(id)!.busy))
  t.ok(dropped().length < sockets.length, 'no more than must')
  t.ok(dropped().every(line => line['unsent'] as number > 6 * MiB), 'those with the most')
  const seen = sockets.map(({ socket, size }) => {
    const got = { bytes: 0, size, closed: false }
    socket.on('data', chunk => { got.bytes += chunk.length }).on('close', () => { got.closed = true }).resume()
    return got
  })
  await until('each has all, or has lost its connection', () => seen.every(({ bytes, size, closed }) => closed || bytes > size * MiB))
  t.equal(seen.filter(({ closed }) => closed).length, dropped().length)
})

t.test('what waits for an event store that hangs is bounded: it goes on without ids', async t => {
  const hanging = Object.assign(new MemoryEventStore(), { hangs: false })
  const store = {
    storeEvent: (stream: string, message: unknown) => hanging.hangs ? new Promise<string>(() => {}) : hanging.storeEvent(stream, message as any),
    replayEventsAfter: hanging.replayEventsAfter.bind(hanging)
  }
  const { url, log } = await startApp(t, { createServer, eventStore: store as any, stream: { maxBuffered: 16 * MiB } })
  const id = await open(url)
  hanging.hangs = true
  const socket = client(t, url, id, call('flood', { count: 10, size: 1 }))
  let seen = ''
  socket.setEncoding('utf8').on('data', chunk => { seen += String(chunk).replace(/y+/g, 'y') }).resume()
  await until('it is told', () => log.some(line => /waits for the event store/.test(line.msg)))
  await until('most has arrived all the same', () => seen.split('event: message').length > 8)
  t.notMatch(seen, /^id: /m)
})
