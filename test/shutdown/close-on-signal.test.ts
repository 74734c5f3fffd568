// How the process of a node ends after SIGTERM, whoever keeps it open.
import t from 'tap'
import type { Test } from 'tap'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect as connectHttp2, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { request } from 'undici'
import type { LogLine } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, inSession, open } from '../fixtures/http.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import type { NodeProcess, NodeProcessOptions } from '../fixtures/node-process.ts'
import { startRedis } from '../fixtures/redis.ts'
import { certificate } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'

const redis = await startRedis(t)
const https = await certificate(t.testdir())

interface Node extends NodeProcess { log: () => Promise<LogLine[]>, logged: (text: string) => Promise<LogLine> }

async function startNode (t: Test, options: Partial<NodeProcessOptions> = {}): Promise<Node> {
  const file = join(t.testdir(), 'log')
  // Nodes do not reach each other over HTTP/2: one that speaks nothing else has no url, and hands nothing over.
  const url = `${options.https === undefined ? 'http' : 'https'}://127.0.0.1:${await freePort()}`
  const alone = options.http2 === true && options.https === undefined
  const node = await startNodeProcess(t, {
    redis: redis.url, keyPrefix: `test:${randomUUID()}:`, node: { id: 'node', ...!alone && { url } }, ...!alone && { orphan: 'adopt' }, log: file, drain: { grace: 0, timeout: 20_000 }, ...options
  })
  const log = async (): Promise<LogLine[]> => (await readFile(file, 'utf8')).split('\n').slice(0, -1).map(line => JSON.parse(line))
  return { ...node, log, logged: text => until(`the log says ${text}`, async () => (await log()).find(({ msg }) => msg.includes(text))) }
}

/** A connection of TCP, with what was sent on it. */
async function dial (t: Test, url: string, text = ''): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  // The other side may break it off.
  socket.on('error', () => {}).resume()
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  if (text !== '') await new Promise<void>(resolve => socket.write(text, () => resolve()))
  return socket
}

/** A connection of HTTP/2. */
async function dialHttp2 (t: Test, url: string): Promise<ClientHttp2Session> {
  const session = connectHttp2(new URL(url).origin, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await once(session, 'connect')
  return session
}

/** A request of HTTP/2, its headers answered. */
async function ask (session: ClientHttp2Session, method: string, body?: object, headers: Record<string, string> = {}): Promise<{ stream: ClientHttp2Stream, headers: Record<string, unknown> }> {
  const stream = session.request({ ':method': method, ':path': '/mcp', accept: body ? 'application/json, text/event-stream' : 'text/event-stream', ...body && { 'content-type': 'application/json' }, ...headers })
  stream.on('error', () => {}).resume()
  stream.end(body && JSON.stringify(body))
  const [answer] = await once(stream, 'response')
  return { stream, headers: answer }
}

/** For those that wait until it is over. */
const SHORT = { grace: 0, timeout: 1000 }
const BROKEN_OFF = /connections were still open/

t.test('idle connections, streams and a client of the application\'s do not hold a process that was told to end', async t => {
  const node = await startNode(t, { leaves: 'client' })
  const id = await open(node.url)
  const stream = await request(node.url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  const streamed = stream.body.text()
  const silent = await dial(t, node.url)
  const idle = await dial(t, node.url, 'GET /counters HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until('it was answered', () => idle.bytesRead > 0)

  t.equal(await node.terminate(), 0)
  t.match(await streamed, /^(retry: .*\n\n)?$/, 'ended, not broken off')
  await until('the connections are closed', () => silent.closed && idle.closed)
  const log = await node.log()
  const lines = ['draining, then closing', 'mcp node is draining', 'mcp node is drained', 'mcp node is closed', 'closed']
  t.same(log.map(({ msg }) => msg).filter(msg => lines.includes(msg)), lines)
  t.match(log.find(({ msg }) => msg === 'mcp node is drained'), { handedOver: 1, finished: 0, lost: 0, took: Number })
  t.notOk(log.some(({ msg }) => BROKEN_OFF.test(msg)), 'nothing had to be broken off')
})

for (const besides of [false, true]) {
  t.test(`nor do connections of HTTP/2, ${besides ? 'beside HTTP/1' : 'alone'}`, async t => {
    const node = await startNode(t, { http2: true, ...besides && { https } })
    const idle = await dialHttp2(t, node.url)
    const busy = await dialHttp2(t, node.url)
    const { headers } = await ask(busy, 'POST', initialize)
    const id = String(headers['mcp-session-id'])
    const { stream } = await ask(busy, 'GET', undefined, { 'mcp-session-id': id })
    const goaways: number[] = []
    idle.on('goaway', code => goaways.push(code))

    t.equal(await node.terminate(), 0)
    await until('the connections are closed', () => idle.closed && busy.closed && stream.closed)
    t.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR, 'the stream has ended in good order')
    t.ok(goaways.length > 0 && goaways.every(code => code === constants.NGHTTP2_NO_ERROR), 'clients are told')
    const log = await node.log()
    t.match(log.find(({ msg }) => msg === 'mcp node is drained'), { handedOver: besides ? 1 : 0, lost: 0 })
    t.notOk(log.some(({ msg }) => BROKEN_OFF.test(msg)), 'nothing had to be broken off')
  })
}

for (const version of [1, 2]) {
  t.test(`an upload that trickles over HTTP/${version} gets the time that calls have, and is broken off`, async t => {
    const node = await startNode(t, { http2: version === 2, drain: SHORT })
    let ended: () => boolean
    if (version === 1) {
      const upload = await dial(t, node.url, 'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n{')
      await until('the node has it', () => upload.bytesRead > 0)
      const trickle = setInterval(() => upload.write(' '), 20)
      t.teardown(() => clearInterval(trickle))
      ended = () => upload.closed
    } else {
      const session = await dialHttp2(t, node.url)
      const upload = session.request({ ':method': 'POST', ':path': '/mcp', 'content-type': 'application/json', expect: '100-continue' })
      upload.on('error', () => {})
      await once(upload, 'continue')
      const trickle = setInterval(() => { if (!upload.closed) upload.write(' ') }, 20)
      t.teardown(() => clearInterval(trickle))
      ended = () => session.closed
    }
    t.equal(await node.terminate(), 0)
    await until('it was broken off', ended)
    t.match((await node.log()).find(({ msg }) => BROKEN_OFF.test(msg)), { connections: 1 })
    t.match((await node.log()).find(({ msg }) => msg === 'closed'), { code: 0 })
  })
}

t.test('a call that never ends is lost, and the exit code says so', async t => {
  const node = await startNode(t, { drain: SHORT })
  const id = await open(node.url)
  // The one that is refused says that the other is in flight.
  const answers = [1, 2].map(() => inSession(node.url, id, call('wait', {}, 'slow')))
  t.match((await Promise.race(answers)).text, '"request_id_in_use"')
  t.equal(await node.terminate(), 1)
  t.match((await node.log()).find(({ msg }) => msg === 'mcp node is drained'), { finished: 0, lost: 1, left: 0 })
  t.ok((await Promise.all(answers)).some(({ text }) => text.includes('"session_ended"')))
})

t.test('a second signal cuts the waiting short', async t => {
  const node = await startNode(t, { drain: { grace: 600_000, timeout: 600_000 } })
  node.signal('SIGTERM')
  await node.logged('mcp node is draining')
  t.equal(await node.terminate(), 0)
  t.ok(await node.logged('closing now'))
})

t.test('a third ends the process at once', async t => {
  const node = await startNode(t, { leaves: 'hook' })
  node.signal('SIGTERM')
  await node.logged('mcp node is closed')
  node.signal('SIGINT')
  await node.logged('closing now')
  t.equal(await node.terminate(), 1)
})

t.test('a hook that never ends is not waited for', async t => {
  const node = await startNode(t, { leaves: 'hook', drain: SHORT })
  t.equal(await node.terminate(), 1)
  t.match((await node.log()).at(-1), { level: 50, msg: /takes too long/ })
})

t.test('an error that nobody catches ends the process as a signal does, with exit code 1', async t => {
  const node = await startNode(t)
  await open(node.url)
  await request(new URL('/throw', node.url)).then(({ body }) => body.dump())
  t.equal(await node.ended, 1)
  const log = await node.log()
  t.match(log.find(({ level }) => level === 60), { err: { message: 'nobody catches this' } })
  t.match(log.find(({ msg }) => msg === 'mcp node is drained'), { handedOver: 1, lost: 0 })
  t.match(log.at(-1), { msg: 'closed', code: 1 })
})
