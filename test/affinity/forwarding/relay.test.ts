// What passes through a node that forwards: bodies, events, at the client's pace.
import t from 'tap'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import { until } from '../../fixtures/until.ts'
import { ask, begin, bytesOf, startNode, startOwner } from './node.ts'

t.test('a body passes byte for byte, in both directions', async t => {
  const said = '{ "a":\t1.0,\r\n "ü": "\\u0041" }\n'
  let heard: Buffer | undefined
  let length: string | undefined
  const owner = await startOwner(t, async (request, response) => {
    heard = await bytesOf(request)
    length = request.headers['content-length']
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(said)
  })
  const node = await startNode(t, owner.url)
  const question = Buffer.from([0x7b, 0xff, 0x00, 0x20, 0x7d])
  const answer = await ask(`${node.url}/mcp`, { headers: { 'content-type': 'application/json' }, body: question })
  t.equal(answer.status, 200)
  t.equal(answer.body.toString(), said)
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  t.same(heard, question)
  t.equal(length, '5')
  t.same(node.outcomes, [{ outcome: 'answered' }])
})

t.test('a compressed body is left as it is, both ways', async t => {
  const zipped = gzipSync('{"jsonrpc":"2.0"}')
  let heard: Buffer | undefined
  const owner = await startOwner(t, async (request, response) => {
    heard = await bytesOf(request)
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip', 'content-length': zipped.length }).end(zipped)
  })
  const node = await startNode(t, owner.url)
  const answer = await ask(`${node.url}/mcp`, { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', 'accept-encoding': 'gzip' }, body: zipped })
  t.same(answer.body, zipped)
  t.equal(answer.headers['content-encoding'], 'gzip')
  t.equal(answer.headers['content-length'], String(zipped.length))
  t.equal(gunzipSync(heard!).toString(), '{"jsonrpc":"2.0"}')
})

t.test('answers without a body', async t => {
  const owner = await startOwner(t, (request, response) => {
    response.writeHead(Number(request.headers['x-status']), request.method === 'HEAD' ? { 'content-length': 12 } : {}).end()
  })
  const node = await startNode(t, owner.url)
  for (const [method, status] of [['POST', 202], ['POST', 204], ['DELETE', 200], ['HEAD', 200], ['GET', 304]] as const) {
    const answer = await ask(`${node.url}/mcp`, { method, headers: { 'x-status': status } })
    t.equal(answer.status, status, `${method} ${status}`)
    t.equal(answer.body.length, 0)
  }
  t.ok(node.outcomes.every(({ outcome }) => outcome === 'answered'))
})

t.test('early hints are not the answer', async t => {
  const owner = await startOwner(t, (_request, response) => {
    response.writeProcessing()
    response.end('late')
  })
  const node = await startNode(t, owner.url)
  t.equal((await ask(`${node.url}/mcp`)).body.toString(), 'late')
})

for (const version of [1, 2] as const) {
  t.test(`events pass one by one over HTTP/${version}`, async t => {
    let stream: ServerResponse | undefined
    const owner = await startOwner(t, (_request, response) => {
      stream = response
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    })
    const node = await startNode(t, owner.url, { fastify: { http2: version === 2 } })
    const events = version === 1 ? await begin(`${node.url}/mcp`, { method: 'GET' }) : await beginHttp2(t, node.url)
    t.pass('the headers come before any event')
    const chunks = events[Symbol.asyncIterator]()
    for (let number = 0; number < 20; number++) {
      stream!.write(`data: ${number}\n\n`)
      t.equal(String((await chunks.next()).value), `data: ${number}\n\n`)
    }
    stream!.end()
    t.equal((await chunks.next()).done, true)
    t.same(node.outcomes, [{ outcome: 'answered' }])
  })
}

async function beginHttp2 (t: { teardown: (clean: () => void) => void }, url: string): Promise<AsyncIterable<Buffer>> {
  const session = connectHttp2(url)
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/mcp', ':method': 'GET' })
  await once(stream, 'response')
  return stream
}

for (const version of [1, 2] as const) {
  t.test(`an owner is paused for a client of HTTP/${version} that reads nothing, and goes on with it`, async t => {
    const total = 512
    const chunk = randomBytes(256 * 1024)
    let written = 0
    const owner = await startOwner(t, async (request, response) => {
      if (request.method !== 'GET') return response.end()
      for (; written < total; written++) {
        if (!response.write(chunk)) await once(response, 'drain')
      }
      response.end()
    })
    const node = await startNode(t, owner.url, { fastify: { http2: version === 2 } })
    const other = await startNode(t, owner.url)
    const answer = version === 1 ? await begin(`${node.url}/mcp`, { method: 'GET' }) : await beginHttp2(t, node.url)
    await until('the owner waits', async () => {
      const before = written
      for (let call = 0; call < 50; call++) await ask(`${other.url}/mcp`)
      return written > 0 && written === before
    })
    t.ok(written < total, `${written} of ${total} chunks were taken in`)
    let length = 0
    let wrong = 0
    for await (const part of answer) {
      const at = length % chunk.length
      const expected = Buffer.concat([chunk, chunk]).subarray(at, at + part.length)
      if (!part.equals(expected)) wrong++
      length += part.length
    }
    t.equal(length, total * chunk.length)
    t.equal(wrong, 0)
  })
}

t.test('a large request reaches an owner that is slow to read', async t => {
  const body = randomBytes(16 * 1024 * 1024)
  let heard: Buffer | undefined
  const owner = await startOwner(t, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) {
      chunks.push(chunk)
      await new Promise(resolve => setImmediate(resolve))
    }
    heard = Buffer.concat(chunks)
    response.end('ok')
  })
  const node = await startNode(t, owner.url)
  t.equal((await ask(`${node.url}/mcp`, { headers: { 'content-type': 'application/octet-stream' }, body })).body.toString(), 'ok')
  t.ok(heard!.equals(body))
})

t.test('a client that leaves takes its request to the owner along', async t => {
  for (const [what, leave] of [
    ['before the answer', (request: IncomingMessage, response: ServerResponse) => {}],
    ['in the middle of it', (request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    }]
  ] as const) {
    let asked = 0
    let gone = 0
    const owner = await startOwner(t, (request, response) => {
      asked++
      response.on('close', () => { gone++ })
      leave(request, response)
    })
    const node = await startNode(t, owner.url)
    const { port, hostname } = new URL(node.url)
    const socket = connect(Number(port), hostname)
    t.teardown(() => socket.destroy())
    // The second waits for its turn on the connection.
    socket.write('GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2))
    await until('both are asked', () => asked === 2)
    t.equal(gone, 0)
    socket.destroy()
    await until(`both are gone (${what})`, () => gone === 2)
    await until('both are over', () => node.outcomes.length === 2)
    t.same(node.outcomes, [{ outcome: 'answered' }, { outcome: 'answered' }])
  }
})

t.test('a client that leaves before there is a connection to the owner costs it nothing', async t => {
  let asked = 0
  const owner = await startOwner(t, (_request, response) => {
    asked++
    response.end('ok')
  })
  const connections: Socket[] = []
  owner.server.on('connection', socket => connections.push(socket))
  const node = await startNode(t, owner.url, {
    before: app => {
      app.addHook('preHandler', async ({ url, raw }) => {
        if (url === '/gone') raw.socket.destroy()
        // Before the turn of the event loop that brings the connection to the owner.
        if (url === '/going') setImmediate(() => raw.socket.destroy())
      })
    }
  })
  await t.rejects(ask(`${node.url}/gone`))
  await until('it is over', () => node.outcomes.length === 1)
  t.equal((await ask(`${node.url}/stay`)).body.toString(), 'ok')
  t.equal(asked, 1)
  t.equal(connections.length, 1)
  connections[0]!.destroy()
  await until('the connection is closed', () => connections[0]!.destroyed)
  await t.rejects(ask(`${node.url}/going`))
  await until('it is over', () => node.outcomes.length === 3)
  await until('there is a connection for it', () => connections.length === 2)
  t.equal((await ask(`${node.url}/stay`)).body.toString(), 'ok')
  t.equal(asked, 2)
  for (const { outcome } of node.outcomes) t.equal(outcome, 'answered')
})

t.test('an HTTP/2 client that leaves takes its request to the owner along', async t => {
  let asked = false
  let gone = false
  const owner = await startOwner(t, (_request, response) => {
    asked = true
    response.on('close', () => { gone = true })
  })
  const node = await startNode(t, owner.url, { fastify: { http2: true } })
  const session = connectHttp2(node.url)
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/mcp', ':method': 'GET' })
  stream.on('error', () => {})
  await until('it is asked', () => asked)
  stream.close()
  await until('it is gone', () => gone)
  t.same(node.outcomes, [{ outcome: 'answered' }])
})

t.test('a node that leaves ends the streams, and new ones as soon as they begin; calls go on', async t => {
  const answers: ServerResponse[] = []
  const owner = await startOwner(t, (_request, response) => { answers.push(response) })
  const node = await startNode(t, owner.url)
  const send = async (method: string): Promise<{ owners: ServerResponse, begun: Promise<IncomingMessage> }> => {
    const { length } = answers
    const begun = begin(`${node.url}/mcp`, { method })
    await until('the owner has the request', () => answers.length > length)
    return { owners: answers.at(-1)!, begun }
  }
  const start = (response: ServerResponse): unknown => response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\ndata: ha')
  const [open, pending, called] = [await send('GET'), await send('GET'), await send('POST')]
  start(open.owners)
  start(called.owners)
  const [stream, call] = [await open.begun, await called.begun]
  const [seen] = await once(stream, 'data')
  t.equal(String(seen), 'data: 1\n\ndata: ha')

  node.forwarder.endStreams()
  t.equal(String(await bytesOf(stream)), '', 'a good end: clients throw half an event away')
  start(pending.owners)
  t.notMatch(String(await bytesOf(await pending.begun)), /lost/)
  const late = await send('GET')
  start(late.owners)
  await bytesOf(await late.begun)
  for (const { owners } of [open, pending, late]) await until('the owner is rid of it', () => owners.destroyed)
  called.owners.end('lf\n\n')
  t.equal(String(await bytesOf(call)), 'data: 1\n\ndata: half\n\n')
})

t.test('a status that the caller declines leaves the answer to it', async t => {
  const connections = new Set<unknown>()
  const owner = await startOwner(t, (request, response) => {
    connections.add(request.socket)
    response.writeHead(421, { 'content-type': 'application/json', 'x-secret': 'yes' }).end('{"not":"mine"}')
  })
  const node = await startNode(t, owner.url)
  for (let call = 0; call < 3; call++) {
    const answer = await ask(`${node.url}/mcp`)
    t.equal(answer.status, 503)
    t.equal(answer.body.toString(), '{"outcome":"declined"}')
    t.equal(answer.headers['x-secret'], undefined)
  }
  t.same(node.outcomes[0], { outcome: 'declined', status: 421, proven: undefined })
  t.equal(connections.size, 1, 'the connection is kept')
})

t.test('thousands of requests leave nothing behind', async t => {
  const warnings: string[] = []
  const warned = (warning: Error): void => { warnings.push(warning.message) }
  process.on('warning', warned)
  t.teardown(() => process.off('warning', warned))

  const toOwner = new Set<unknown>()
  const owner = await startOwner(t, (request, response) => {
    toOwner.add(request.socket)
    request.resume().on('end', () => response.end('ok'))
  })
  const node = await startNode(t, owner.url)
  const fromClient: Socket[] = []
  node.app.server.on('connection', socket => fromClient.push(socket))
  const { port, hostname } = new URL(node.url)
  const socket = connect(Number(port), hostname).setEncoding('latin1')
  let answers = 0
  socket.on('data', (text: string) => { answers += text.split('HTTP/1.1 200').length - 1 })
  const perRound: number[] = []
  for (let round = 1; round <= 30; round++) {
    socket.write('POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'.repeat(100))
    await until('all are answered', () => answers === round * 100)
    perRound.push(fromClient[0]!.eventNames().reduce((sum, name) => sum + fromClient[0]!.listenerCount(name), 0))
  }
  t.same(perRound, perRound.map(() => perRound[0]), 'as many listeners after 3,000 requests as after 100')
  t.equal(fromClient.length, 1)
  t.ok(toOwner.size <= 100, `${toOwner.size} connections for 100 calls at a time`)
  t.same(warnings, [])
  socket.destroy()
  await node.forwarder.close()
  await until('the owner has no connection', () => new Promise<boolean>(resolve => owner.server.getConnections((_, count) => resolve(count === 0))))
})
