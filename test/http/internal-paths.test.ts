import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { internalPath, onReceived } from '../../lib/http/internal-paths.ts'
import type { InternalAnswer, PathOptions } from '../../lib/http/internal-paths.ts'
import { bytesOf } from '../affinity/forwarding/node.ts'

/** An application whose hooks turn everybody away. */
async function setUp (t: Test, handler: () => InternalAnswer, options?: PathOptions) {
  const app = Fastify()
  t.teardown(() => app.close())
  const seen: Array<string | undefined> = []
  onReceived(app, ({ url }, response) => {
    seen.push(url)
    response.setHeader('x-seen', 'yes')
  })
  app.addHook('onRequest', async (_request, reply) => reply.code(401).send('no'))
  internalPath(app, '/mcp-sticky/test', handler, options)
  internalPath(app, '/.well-known/test', handler, options)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const ask = async (path: string, method = 'GET') => {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => request(origin, { path, method, agent: false }, resolve).on('error', reject).end())
    return { status: answer.statusCode, headers: answer.headers, body: (await bytesOf(answer)).toString() }
  }
  return { app, ask, seen }
}

t.test('a path is answered before the application sees the request, however it is written', async t => {
  const { ask, seen } = await setUp(t, () => ({ status: 203, headers: { 'x-more': 'ü'.length }, body: { a: 'ü' } }))
  for (const path of ['/mcp-sticky/test', '/mcp-sticky/test/', '/mcp-sticky/test?a=b', '/mcp-sticky/test/?a#b', 'http://elsewhere/mcp-sticky/test', 'https://elsewhere:1/mcp-sticky/test?x']) {
    const { status, headers, body } = await ask(path)
    t.strictSame([status, body, headers['x-more'], headers['cache-control']], [203, '{"a":"ü"}', '1', 'no-store'], path)
  }
  t.strictSame(seen, [])
})

t.test('HEAD has no body, and other verbs are not allowed', async t => {
  const { ask } = await setUp(t, () => ({ status: 200, body: { a: 1 } }))
  const head = await ask('/mcp-sticky/test', 'HEAD')
  t.strictSame([head.status, head.headers['content-length'], head.body], [200, '7', ''])
  const post = await ask('/mcp-sticky/test', 'POST')
  t.strictSame([post.status, post.headers.allow], [405, 'GET, HEAD'])
  t.strictSame((await ask('/mcp-sticky/test', 'OPTIONS')).status, 405)
})

t.test('so is one below /.well-known', async t => {
  const { ask, seen } = await setUp(t, () => ({ status: 200, body: { a: 1 } }))
  for (const path of ['/.well-known/test', '/.well-known/test/', '/.well-known/test?a=b', 'http://elsewhere/.well-known/test']) t.match(await ask(path), { status: 200, body: '{"a":1}' }, path)
  t.strictSame(seen, [])
  for (const path of ['/.well-known/other', '/a/.well-known/test']) t.match(await ask(path), { status: 401 }, path)
})

t.test('a browser is told that it may ask, where it may', async t => {
  const { ask } = await setUp(t, () => ({ status: 200, body: {} }), { preflight: { 'access-control-allow-methods': 'GET' } })
  t.match(await ask('/.well-known/test', 'OPTIONS'), { status: 204, headers: { 'access-control-allow-methods': 'GET' }, body: '' })
})

t.test('while a path is not open, it is the application\'s', async t => {
  let open = false
  const { ask, seen } = await setUp(t, () => ({ status: 200, body: {} }), { open: () => open, preflight: {} })
  for (const method of ['GET', 'HEAD', 'OPTIONS']) t.match(await ask('/.well-known/test', method), { status: 401 }, method)
  t.equal(seen.length, 3)
  open = true
  t.match(await ask('/.well-known/test'), { status: 200 })
})

t.test('everything else is the application\'s, and seen before it', async t => {
  const { ask, seen } = await setUp(t, () => ({ status: 200, body: {} }))
  for (const path of ['/', '/mcp-sticky', '/mcp-sticky/other', '/a/mcp-sticky/test', '/mcp-sticky/test/more', '/?/mcp-sticky/test']) {
    const { status, headers } = await ask(path)
    t.strictSame([status, headers['x-seen']], [401, 'yes'], path)
  }
  t.equal(seen.length, 6)
})

t.test('a handler that fails is answered all the same', async t => {
  const { ask } = await setUp(t, () => { throw new Error('secret') })
  const { status, body } = await ask('/mcp-sticky/test')
  t.strictSame([status, body], [500, ''])
})

t.test('for inject it is a route of the application', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  internalPath(app, '/mcp-sticky/test', ({ headers }) => ({ status: 203, body: { heard: headers['x-said'] } }))
  const { statusCode, body } = await app.inject({ url: '/mcp-sticky/test', headers: { 'x-said': 'a' } })
  t.strictSame([statusCode, body], [203, '{"heard":"a"}'])
})

t.test('so is what a browser asks before, and what is not open is not found', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  let open = true
  internalPath(app, '/.well-known/test', () => ({ status: 200, body: {} }), { preflight: { 'x-may': 'yes' }, open: () => open })
  t.match(await app.inject({ method: 'OPTIONS', url: '/.well-known/test' }), { statusCode: 204, headers: { 'x-may': 'yes' } })
  open = false
  for (const method of ['GET', 'OPTIONS'] as const) t.match(await app.inject({ method, url: '/.well-known/test' }), { statusCode: 404 }, method)
})
