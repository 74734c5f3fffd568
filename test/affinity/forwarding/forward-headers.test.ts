// Header fields through a node that forwards.
import t from 'tap'
import cors from '@fastify/cors'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import type { Test } from 'tap'
import { targetOf } from '../../../lib/affinity/forwarding/forward-headers.ts'
import { ask, bytesOf, startNode, startOwner, startRawOwner, TAG } from './node.ts'

/** An owner that keeps what it was asked. */
async function startListener (t: Test) {
  const heard: IncomingMessage[] = []
  const { url } = await startOwner(t, (request, response) => {
    heard.push(request)
    request.resume()
    response.end()
  })
  return { url, heard }
}

t.test('the owner sees the fields that the client sent', async t => {
  const owner = await startListener(t)
  const node = await startNode(t, owner.url)
  await ask(`${node.url}/mcp?a=%20b&c`, {
    headers: [
      'Host', 'mcp.example.com:8443', 'Origin', 'https://mcp.example.com:8443', 'Authorization', 'Bearer a.b.c', 'Cookie', 'a=1; b=2',
      'Mcp-Session-Id', 'abc', 'Content-Type', 'application/json', 'X-Many', 'one', 'X-Many', 'two', 'X-Latin', 'h\u00e9', 'Content-Length', '2'
    ],
    body: Buffer.from('{}')
  })
  const { headers, url } = owner.heard[0]!
  t.equal(url, '/mcp?a=%20b&c')
  t.match(headers, {
    host: 'mcp.example.com:8443',
    origin: 'https://mcp.example.com:8443',
    authorization: 'Bearer a.b.c',
    cookie: 'a=1; b=2',
    'mcp-session-id': 'abc',
    'content-type': 'application/json',
    'content-length': '2',
    'x-many': 'one, two',
    'x-latin': 'h\u00e9',
    'mcp-sticky-hop': TAG
  })
})

t.test('fields of the connection end at the node', async t => {
  const owner = await startListener(t)
  const node = await startNode(t, owner.url)
  await ask(`${node.url}/mcp`, {
    headers: {
      connection: 'close, X-Mine , mcp-sticky-hop, authorization, mcp-session-id, content-type',
      'x-mine': '1',
      authorization: 'Bearer a',
      'mcp-session-id': 'abc',
      'content-type': 'application/json',
      'content-encoding': 'gzip',
      'keep-alive': 'timeout=1',
      te: 'trailers',
      trailer: 'x-sum',
      'transfer-encoding': 'chunked',
      'http2-settings': 'AAMAAABk',
      'proxy-authorization': 'Basic eDp5',
      'proxy-connection': 'keep-alive',
      expect: '100-continue',
      'mcp-sticky-hop': 'forged'
    },
    body: '{}'
  })
  const { headers } = owner.heard[0]!
  t.equal(headers.connection, 'keep-alive')
  t.equal(headers['mcp-sticky-hop'], TAG)
  t.equal(headers['content-length'], '2')
  for (const name of ['keep-alive', 'te', 'trailer', 'transfer-encoding', 'http2-settings', 'proxy-connection', 'expect', 'content-encoding']) {
    t.equal(headers[name], undefined, name)
  }
  t.match(headers, {
    'x-mine': '1', authorization: 'Bearer a', 'mcp-session-id': 'abc', 'content-type': 'application/json', 'proxy-authorization': 'Basic eDp5'
  }, 'what a client lists in Connection, or tells a proxy, the owner itself would heed')
})

t.test('the owner sees what the hooks of the node have left', async t => {
  const owner = await startListener(t)
  const node = await startNode(t, owner.url, {
    before: app => app.addHook('onRequest', async ({ headers }) => {
      Object.assign(headers, {
        'x-user': 'ada', 'x-number': 7, 'x-list': ['a', 'b'], 'x-none': undefined, 'x-null': null, 'X-Upper': 'u', 'x-wide': '\u20ac', 'x-split': 'a\r\nx-evil: 1', 'no name': '1', Connection: 'x', 'x-object': Object.create(null), 'x-objects': [{}, 'c']
      })
      delete headers['x-secret']
    })
  })
  const { status } = await ask(`${node.url}/mcp`, { headers: { 'x-user': 'bob', 'x-secret': 's', 'x-empty': '' }, body: '{}' })
  t.equal(status, 200)
  const { headers } = owner.heard[0]!
  t.match(headers, { 'x-user': 'ada', 'x-number': '7', 'x-list': 'a, b', 'x-upper': 'u', 'x-objects': 'c', 'x-empty': '', connection: 'keep-alive' })
  for (const name of ['x-secret', 'x-none', 'x-null', 'x-wide', 'x-split', 'x-evil', 'x-object', 'no name']) t.equal(headers[name], undefined, name)
})

t.test('the chain of proxies passes as it came; a client without one is named', async t => {
  const owner = await startListener(t)
  const node = await startNode(t, owner.url, { fastify: { trustProxy: (_address: string, hop: number) => hop < 1 } })
  const chain = { 'x-forwarded-for': '203.0.113.9, 10.0.0.1', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'mcp.example.com' }
  await ask(`${node.url}/mcp`, { headers: chain })
  t.match(owner.heard[0]!.headers, chain)
  await ask(`${node.url}/mcp`)
  t.match(owner.heard[1]!.headers, { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' })
  t.equal(owner.heard[1]!.headers['x-forwarded-host'], undefined)
  await ask(`${node.url}/mcp`, { headers: { ...chain, connection: 'x-forwarded-for' } })
  t.match(owner.heard[2]!.headers, chain, 'nobody can hide behind the node')
})

t.test('a client of HTTP/2 loses nothing but its pseudo fields', async t => {
  const owner = await startListener(t)
  const node = await startNode(t, owner.url, { fastify: { http2: true } })
  const session = connectHttp2(node.url)
  t.teardown(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': '/mcp?q=1',
    ':authority': 'mcp.example.com',
    'content-type': 'application/json',
    cookie: ['a=1', 'b=2'],
    te: 'trailers',
    'x-wide': Buffer.from('h\u00e9 \u20ac').toString('latin1')
  })
  stream.end('{"a":1}')
  const [answer] = await once(stream, 'response')
  await bytesOf(stream)
  t.equal(answer[':status'], 200)
  t.equal(answer['keep-alive'], undefined)
  const { headers, method, url } = owner.heard[0]!
  t.equal(method, 'POST')
  t.equal(url, '/mcp?q=1')
  t.match(headers, { host: 'mcp.example.com', 'content-type': 'application/json', cookie: 'a=1; b=2', 'content-length': '7' })
  t.equal(headers.te, undefined)
  t.ok(headers['x-wide'])
})

t.test('a client without Host, and one with a whole url as its target', async t => {
  const owner = await startListener(t)
  const node = await startNode(t, owner.url)
  const { port, hostname } = new URL(node.url)
  for (const request of ['GET /mcp HTTP/1.0\r\n\r\n', 'GET http://other.example/mcp?x=/y HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n']) {
    const socket = connect(Number(port), hostname)
    socket.write(request)
    t.match((await bytesOf(socket)).toString(), /^HTTP\/1.1 200 /)
  }
  t.equal(owner.heard[0]!.headers.host, '')
  t.equal(owner.heard[1]!.url, '/mcp?x=/y')
  t.equal(owner.heard[1]!.headers.host, 'other.example')
})

t.test('a target is reduced to its path', async t => {
  t.equal(targetOf('/mcp?x=http://y/z'), '/mcp?x=http://y/z')
  t.equal(targetOf('http://h:1/mcp?x'), '/mcp?x')
  t.equal(targetOf('http://h?x=/y'), '/?x=/y')
  t.equal(targetOf('http://h'), '/')
})

t.test('the client sees the fields that the owner answered, on top of the hooks of the node', async t => {
  const owner = await startRawOwner(t, socket => {
    socket.once('data', () => socket.write([
      'HTTP/1.1 200 OK', 'Content-Type: application/json', 'Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2', 'X-Twice: 1', 'X-Twice: 2', 'X-Latin: h\u00e9',
      'Mcp-Session-Id: abc', 'Vary: Accept', 'X-Here: owner', 'Connection: keep-alive, X-Theirs', 'X-Theirs: 1', 'Keep-Alive: timeout=7',
      'Proxy-Authenticate: Basic', `X-Long: ${'x'.repeat(40_000)}`, 'Trailer: X-Sum', 'Upgrade: h2c', 'Transfer-Encoding: chunked', '', '2', '{}', '0', 'X-Sum: 1', '', ''
    ].join('\r\n'), 'latin1'))
  })
  const node = await startNode(t, owner, {
    before: async app => {
      await app.register(cors, { origin: 'https://app.example', exposedHeaders: 'Mcp-Session-Id' })
      app.addHook('onRequest', async (_request, reply) => { reply.header('x-here', 'node').header('x-hook', 'node') })
      app.addHook('onRequest', async (_request, reply) => { reply.raw.setHeader('x-raw', 'node') })
    }
  })
  const { headers, rawHeaders, body } = await ask(`${node.url}/mcp`, { headers: { origin: 'https://app.example' } })
  t.equal(body.toString(), '{}')
  t.same(headers['set-cookie'], ['a=1; Path=/', 'b=2'])
  t.same(rawHeaders.filter((_, index) => rawHeaders[index - 1]?.toLowerCase() === 'x-twice'), ['1', '2'])
  t.match(headers, {
    'content-type': 'application/json',
    'x-latin': 'h\u00e9',
    'mcp-session-id': 'abc',
    vary: 'Accept',
    'x-here': 'owner',
    'x-hook': 'node',
    'x-raw': 'node',
    'access-control-allow-origin': 'https://app.example',
    'access-control-expose-headers': 'Mcp-Session-Id'
  })
  for (const name of ['x-theirs', 'trailer', 'upgrade', 'x-sum']) t.equal(headers[name], undefined, name)
  t.not(headers['keep-alive'], 'timeout=7')
})
