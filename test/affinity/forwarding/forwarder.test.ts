// Everything that can go wrong between a node that forwards and the owner.
import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { generate } from 'selfsigned'
import type { Test } from 'tap'
import type { Forwarded } from '../../../lib/affinity/forwarding/forwarder.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { until } from '../../fixtures/until.ts'
import { ask, begin, bytesOf, LAST_WORDS, startNode, startOwner, startRawOwner } from './node.ts'
import type { ForwardingNode } from './node.ts'

const EVENTS = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n'
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

/** The outcome of the only request, and its error's code or message. */
async function outcomeOf (t: Test, node: ForwardingNode): Promise<{ outcome: Forwarded['outcome'], error?: Error & { code?: string } }> {
  await until('it is over', () => node.outcomes.length > 0)
  t.equal(node.outcomes.length, 1)
  return node.outcomes[0]!
}

t.test('a port where nobody listens', async t => {
  const node = await startNode(t, `http://127.0.0.1:${await freePort()}`)
  const answer = await ask(`${node.url}/mcp`, { body: '{}', headers: { 'content-type': 'application/json' } })
  t.equal(answer.body.toString(), '{"outcome":"unreachable"}', 'the reply is the caller\'s')
  const { outcome, error } = await outcomeOf(t, node)
  t.equal(outcome, 'unreachable')
  t.equal(error!.code, 'ECONNREFUSED')
})

t.test('a node that takes no connection', async t => {
  // Stopped, so that it accepts none: what waits in its backlog is all that gets a connection.
  const child = spawn(process.execPath, ['-e', `
    const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))
  `], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout!, 'data')
  const port = Number(String(line))
  child.kill('SIGSTOP')
  for (let waits = 0; waits < 8; waits++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    t.teardown(() => socket.destroy())
  }
  const node = await startNode(t, `http://127.0.0.1:${port}`, { connectTimeout: 100 })
  const answer = ask(`${node.url}/mcp`)
  const { outcome, error } = await outcomeOf(t, node)
  t.equal(outcome, 'unreachable')
  t.equal(error!.code, 'UND_ERR_CONNECT_TIMEOUT')
  t.equal((await answer).body.toString(), '{"outcome":"unreachable"}')
})

t.test('an owner that goes before it answers', async t => {
  for (const [how, leave] of [
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
    ['end', (socket: Socket) => socket.end()],
    ['in the middle of the headers', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Ty')],
    ['not HTTP', (socket: Socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')]
  ] as const) {
    let asked = 0
    const owner = await startRawOwner(t, socket => {
      socket.once('data', () => {
        asked++
        leave(socket)
      })
    })
    const node = await startNode(t, owner)
    t.equal((await ask(`${node.url}/mcp`)).body.toString(), '{"outcome":"lost"}', how)
    t.equal((await outcomeOf(t, node)).outcome, 'lost')
    t.equal(asked, 1, 'it was asked once')
  }
})

t.test('a body that breaks off is not taken for whole', async t => {
  for (const [what, head, part] of [
    ['with a length', 'Content-Length: 100\r\n\r\n', '{"a":'],
    ['in chunks', CHUNKED, chunk('{"a":1}')],
    ['longer than said', 'Content-Length: 5\r\nConnection: close\r\n\r\n', '{"a'],
    ['compressed events', `Content-Encoding: gzip\r\n${CHUNKED}`, chunk('{"a":1}')]
  ] as const) {
    for (const version of [1, 2] as const) {
      const owner = await startRawOwner(t, socket => {
        socket.once('data', () => {
          const type = what === 'compressed events' ? 'text/event-stream' : 'application/json'
          socket.write(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${head}${part}`, () => socket.resetAndDestroy())
        })
      })
      const node = await startNode(t, owner, { fastify: { http2: version === 2 } })
      await t.rejects((): Promise<unknown> => version === 1 ? ask(`${node.url}/mcp`) : askHttp2(t, node.url), `${what}, HTTP/${version}`)
      const { outcome, error } = await outcomeOf(t, node)
      t.equal(outcome, 'answered')
      t.ok(error)
    }
  }
})

async function askHttp2 (t: Test, url: string): Promise<Buffer> {
  const session = connectHttp2(url)
  t.teardown(() => session.destroy())
  return bytesOf(session.request({ ':path': '/mcp', ':method': 'GET' }))
}

/** What a client gets of an event stream that breaks off after these pieces, each sent on its own. */
async function brokenOff (t: Test, pieces: string[], lastWords?: () => string): Promise<string> {
  const owner = await startRawOwner(t, socket => {
    socket.once('data', () => {
      socket.write(`${EVENTS}${CHUNKED}`)
      let at = 0
      next()
      function next (): void {
        if (at === pieces.length) return socket.destroy() as unknown as void
        const piece = pieces[at++]!
        socket.write(chunk(piece))
        // Its turn comes when the client has this one.
        received.then(text => text(pieces.slice(0, at).join(''))).then(next).catch(error => t.threw(error))
      }
    })
  })
  const node = await startNode(t, owner, { ...(lastWords && { lastWords }) })
  let text = ''
  let announce: (reader: (expected: string) => Promise<void>) => void
  const received = new Promise<(expected: string) => Promise<void>>(resolve => { announce = resolve })
  const answer: IncomingMessage = (await begin(`${node.url}/mcp`)).setEncoding('utf8')
  const ended = once(answer, 'end')
  answer.on('data', piece => { text += piece })
  announce!(async expected => { await until('the client has it', () => text === expected) })
  await ended
  t.equal(answer.complete, true, 'the stream has a clean end')
  const { outcome, error } = await outcomeOf(t, node)
  t.equal(outcome, 'answered')
  t.ok(error)
  return text
}

t.test('a stream of events that breaks off', async t => {
  const event = 'event: message\ndata: {"n":1}\n\n'
  const numbered = 'event: message\nid: 7\ndata: {"n":1}\n\n'
  const keepAlive = ': keepalive\n\n'
  for (const [what, pieces, end] of [
    ['without an event', [], LAST_WORDS],
    ['after an event', [event], LAST_WORDS],
    ['after a keep-alive', [event, keepAlive], LAST_WORDS],
    ['whose data looks like an id', ['data: {"id":"id: 1"}\n\n', 'data: a', 'id: 2\n\n'], LAST_WORDS],
    ['in the middle of an event', ['event: message\ndata: {"n"'], `\nevent: cut-off\n\n${LAST_WORDS}`],
    ['a newline short of an event', ['event: message\ndata: {"n":1}\n'], `\nevent: cut-off\n\n${LAST_WORDS}`],
    ['after an event in two pieces', ['event: message\ndata: {"n":1}\n', '\n'], LAST_WORDS],
    ['with a priming event', ['id: 1\nretry: 5\ndata: \n\n'], ''],
    ['with an id in its first event', [numbered], ''],
    ['with an id in a later one', [keepAlive, event, numbered], ''],
    ['with an id at the start of a piece', ['event: message\n', 'id: 7\ndata: {"n":1}\n\n'], ''],
    ['with an id, in the middle of an event', [numbered, 'event: message\nid: 8\nda'], '']
  ] as const) {
    t.equal(await brokenOff(t, [...pieces]), pieces.join('') + end, what)
  }
  t.equal(await brokenOff(t, [event], () => ''), event, 'without last words')
  t.equal(await brokenOff(t, ['data: {'], () => ''), 'data: {', 'without last words, in the middle of an event')
})

t.test('a connection that went stale', async t => {
  const sockets: Socket[] = []
  const owner = await startOwner(t, (request, response) => { request.resume().on('end', () => response.end('ok')) })
  owner.server.on('connection', socket => sockets.push(socket))
  const node = await startNode(t, owner.url)
  for (let round = 1; round <= 20; round++) {
    const answer = await ask(`${node.url}/mcp`, { body: 'x', headers: { 'content-type': 'text/plain' } })
    t.equal(answer.body.toString(), 'ok')
    const stale = sockets.at(-1)!
    if (round % 2 === 0) stale.resetAndDestroy()
    else stale.end()
    await until('it is closed', () => stale.destroyed)
  }
  t.equal(sockets.length, 20)
})

t.test('an owner that closes a kept connection as the request arrives may have acted on it', async t => {
  let asked = 0
  const owner = await startRawOwner(t, socket => {
    socket.on('data', () => {
      if (++asked === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      else socket.destroy()
    })
  })
  const node = await startNode(t, owner)
  t.equal((await ask(`${node.url}/mcp`)).body.toString(), 'ok')
  t.equal((await ask(`${node.url}/mcp`)).body.toString(), '{"outcome":"lost"}')
  t.equal(asked, 2)
})

t.test('the end of one connection is nothing to the others', async t => {
  const waiting: ServerResponse[] = []
  const owner = await startOwner(t, (request, response) => {
    if (request.url === '/wait') waiting.push(response)
    else response.writeHead(200, { connection: 'close' }).end()
  })
  const node = await startNode(t, owner.url)
  const call = ask(`${node.url}/wait`)
  await until('it is asked', () => waiting.length === 1)
  const connections: Socket[] = []
  owner.server.on('connection', socket => connections.push(socket))
  await ask(`${node.url}/close`)
  await until('the other connection is closed', () => connections[0]!.destroyed)
  waiting[0]!.end('ok')
  t.equal((await call).body.toString(), 'ok')

  const nobody = await startNode(t, `http://127.0.0.1:${await freePort()}`)
  await Promise.all([1, 2, 3].map(() => ask(`${nobody.url}/mcp`)))
  for (const outcome of nobody.outcomes) t.match(outcome, { outcome: 'unreachable', error: { code: 'ECONNREFUSED' } })
})

t.test('an owner that has fallen silent is not waited for', async t => {
  let asked = 0
  const owner = await startOwner(t, (request, response) => {
    if (request.url === '/mcp-sticky/owner') return response.end()
    asked++
    if (request.method === 'GET') response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  })
  const node = await startNode(t, owner.url)
  const stream = await begin(`${node.url}/mcp`, { method: 'GET' })
  const call = ask(`${node.url}/mcp`)
  await until('both are under way', () => asked === 2)
  node.forwarder.shut(owner.url, performance.now())
  t.ok(await node.forwarder.answers(owner.url), 'it can be asked again')
  t.equal((await bytesOf(stream)).toString(), LAST_WORDS)
  t.equal((await call).body.toString(), '{"outcome":"lost"}')
})

t.test('closing breaks off what is under way, and forwards nothing more', async t => {
  let asked = 0
  const owner = await startOwner(t, () => { asked++ })
  const node = await startNode(t, owner.url)
  const call = ask(`${node.url}/mcp`)
  await until('it is asked', () => asked === 1)
  await node.forwarder.close()
  t.equal((await call).body.toString(), '{"outcome":"lost"}')
  t.equal((await ask(`${node.url}/mcp`)).body.toString(), '{"outcome":"unreachable"}')
  t.equal(asked, 1)
})

t.test('with TLS the certificate must be the owner\'s, whatever Host the client named', async t => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }])
  for (const [host, name] of [['localhost', 'localhost'], ['127.0.0.1', undefined]] as const) {
    const names: Array<string | undefined> = []
    const server = createTlsServer({ key, cert }).on('tlsClientError', (_error, socket) => {
      names.push((socket as { servername?: string | false | null }).servername || undefined)
    })
    t.teardown(() => server.close())
    server.listen(0, host)
    await once(server, 'listening')
    const node = await startNode(t, `https://${host}:${(server.address() as AddressInfo).port}`)
    for (const client of ['one.example', 'two.example']) {
      t.equal((await ask(`${node.url}/mcp`, { headers: { host: client } })).body.toString(), '{"outcome":"unreachable"}')
    }
    for (const outcome of node.outcomes) t.match(outcome, { error: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
    await until('the owner has seen both', () => names.length === 2)
    t.same(names, [name, name])
  }
})
