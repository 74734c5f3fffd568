import cors from '@fastify/cors'
import Fastify from 'fastify'
import t from 'tap'
import mcpSticky from '../../lib/index.ts'
import type { McpStickyOptions } from '../../lib/index.ts'
import { startApp } from '../fixtures/app.ts'
import { initialize, send } from '../fixtures/http.ts'
import { exchange } from '../fixtures/raw-request.ts'
import { createServer } from '../fixtures/session-server.ts'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'
const authorizationServers = ['https://login.example.com']
const resource = 'https://mcp.example.com/mcp'
const oauth = { resource, authorizationServers }
const principal = (): string => 'ann'
const admin: McpStickyOptions = { name: 'admin', path: '/admin', createServer, principal, oauth: { resource: 'https://mcp.example.com/admin', authorizationServers } }

const get = (url: string, path: string) => send(`${new URL(url).origin}${path}`, { method: 'GET' })

t.test('the metadata are there for who has no token, whatever the application asks for', async t => {
  const { url } = await startApp(t, { oauth: { ...oauth, scopes: ['a', 'b'] }, principal }, {
    before: app => app.addHook('onRequest', async (_request, reply) => reply.code(401).send({ error: 'who?' }))
  })
  for (const path of [`${WELL_KNOWN}/mcp`, `${WELL_KNOWN}/mcp/`, `${WELL_KNOWN}/mcp?a=b`, WELL_KNOWN]) {
    const { status, headers, body } = await get(url, path)
    t.equal(status, 200, path)
    t.strictSame(body, { resource, authorization_servers: authorizationServers, scopes_supported: ['a', 'b'], bearer_methods_supported: ['header'] })
    t.match(headers, { 'content-type': /^application\/json/, 'access-control-allow-origin': '*', 'cache-control': 'public, max-age=300' })
  }
  const head = await send(`${new URL(url).origin}${WELL_KNOWN}/mcp`, { method: 'HEAD' })
  t.match(head, { status: 200, text: '', headers: { 'access-control-allow-origin': '*', 'content-length': /^\d+$/ } })
  t.match(await get(url, `${WELL_KNOWN}/other`), { status: 401 })
})

t.test('what Host says changes nothing', async t => {
  const { url } = await startApp(t, { oauth, principal }, { before: app => app.addHook('onRequest', async (_request, reply) => reply.code(401).send()) })
  const ask = (path: string) => exchange(url, { line: `GET ${path} HTTP/1.1`, fields: ['Host: evil.example', 'X-Forwarded-Host: evil.example', 'Connection: close'] })
  const metadata = await ask(`${WELL_KNOWN}/mcp`)
  t.match(metadata.body, /"resource":"https:\/\/mcp\.example\.com\/mcp"/)
  const refused = await ask('/mcp')
  t.strictSame([refused.status, refused.headers['www-authenticate']], [401, `Bearer resource_metadata="https://mcp.example.com${WELL_KNOWN}/mcp"`])
})

t.test('a page of another origin may read them, and ask with header fields of the protocol', async t => {
  const { url } = await startApp(t, { oauth, principal }, { before: app => app.register(cors, { origin: false }) })
  const preflight = await send(`${new URL(url).origin}${WELL_KNOWN}/mcp`, {
    method: 'OPTIONS', headers: { origin: 'https://app.example.com', 'access-control-request-method': 'GET', 'access-control-request-headers': 'mcp-protocol-version' }
  })
  t.match(preflight, { status: 204, headers: { 'access-control-allow-origin': '*', 'access-control-allow-methods': 'GET, HEAD', 'access-control-allow-headers': 'MCP-Protocol-Version' } })
})

t.test('they are where the resource\'s url says, and where the path of the endpoint does', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async api => { await api.register(mcpSticky, { createServer, principal, prefix: '/v1', oauth: { resource: 'https://mcp.example.com/public/mcp', authorizationServers } }) }, { prefix: '/api' })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const path of [`${WELL_KNOWN}/public/mcp`, `${WELL_KNOWN}/api/v1/mcp`, WELL_KNOWN]) t.match(await get(origin, path), { status: 200, body: { resource: 'https://mcp.example.com/public/mcp' } }, path)
  t.match(await get(origin, `${WELL_KNOWN}/mcp`), { status: 404 })
})

t.test('two endpoints have their own, and nothing at the root', async t => {
  for (const also of [[admin], [{ name: 'open', path: '/open', createServer }]]) {
    const { url } = await startApp(t, { oauth, principal, also })
    t.match(await get(url, `${WELL_KNOWN}/mcp`), { status: 200, body: { resource } })
    t.match(await get(url, WELL_KNOWN), { status: 404 })
    t.match(await get(url, `${WELL_KNOWN}/admin`), also[0] === admin ? { status: 200, body: { resource: 'https://mcp.example.com/admin' } } : { status: 404 })
    t.match(await get(url, `${WELL_KNOWN}/open`), { status: 404 })
  }
})

t.test('a resource without a path is at the root, beside other endpoints too', async t => {
  for (const rootFirst of [true, false]) {
    const root = { principal, oauth: { resource: 'https://mcp.example.com', authorizationServers } }
    const { url } = rootFirst
      ? await startApp(t, { ...root, also: [admin] })
      : await startApp(t, { ...admin, also: [{ ...root, createServer }] })
    t.match(await get(url, WELL_KNOWN), { status: 200, body: { resource: 'https://mcp.example.com' } })
    t.match(await get(url, `${WELL_KNOWN}/mcp`), { status: 200, body: { resource: 'https://mcp.example.com' } })
    t.match(await get(url, `${WELL_KNOWN}/admin`), { status: 200, body: { resource: 'https://mcp.example.com/admin' } })
  }
})

t.test('where one endpoint\'s path is another\'s resource, the resource counts', async t => {
  const { url } = await startApp(t, { path: '/admin', principal, oauth, also: [{ ...admin, path: '/a' }] })
  t.match(await get(url, `${WELL_KNOWN}/admin`), { status: 200, body: { resource: 'https://mcp.example.com/admin' } })
  t.match(await get(url, `${WELL_KNOWN}/mcp`), { status: 200, body: { resource } })
})

t.test('two resources of one path cannot be told apart', async t => {
  const same = { ...admin, oauth: { resource: 'https://other.example.com/mcp', authorizationServers } }
  await t.rejects(startApp(t, { oauth, principal, also: [same] }), { code: 'MCP_STICKY_ERR_OPTION', message: /^option `oauth\.resource` .*default.*\/\.well-known\/oauth-protected-resource\/mcp/ })
})

t.test('a route of the application that was there before stays', async t => {
  const { url } = await startApp(t, { oauth, principal }, { before: app => { app.get(WELL_KNOWN, async () => ({ mine: true })) } })
  t.match(await get(url, WELL_KNOWN), { body: { mine: true } })
  t.match(await get(url, `${WELL_KNOWN}/mcp`), { body: { resource } })
})

t.test('they are for inject as well', async t => {
  const { app } = await startApp(t, { oauth, principal })
  for (const url of [`${WELL_KNOWN}/mcp`, WELL_KNOWN]) t.match((await app.inject(url)).json(), { resource })
  const two = await startApp(t, { oauth, principal, also: [admin] })
  t.equal((await two.app.inject(WELL_KNOWN)).statusCode, 404)
})

t.test('without the option there are none, and a 401 is the application\'s own', async t => {
  const { url } = await startApp(t, {}, { before: app => app.addHook('onRequest', async (request, reply) => { if (request.method === 'POST') return reply.code(401).send() }) })
  t.match(await get(url, `${WELL_KNOWN}/mcp`), { status: 404 })
  const refused = await send(url, { body: initialize })
  t.strictSame([refused.status, refused.headers['www-authenticate']], [401, undefined])
})
