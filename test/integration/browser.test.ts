// Clients in a browser, on a page of another origin: what CORS must let them send, and read.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import cors from '@fastify/cors'
import { chromium } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { startApp } from '../fixtures/app.ts'
import { read } from '../fixtures/documents.ts'
import { createServer as makeServer } from '../fixtures/session-server.ts'

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_BIN'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})
t.teardown(() => browser.close())

/** What runs in the page: all that a client of either era sends, and what it reads of the answers. */
const SCRIPT = `
const json = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' }
const body = (method, params, id = 1) => JSON.stringify({ jsonrpc: '2.0', id, method, params })
const told = {}
const say = async (name, method, headers, text) => {
  try {
    const response = await fetch(URL, { method, headers, body: text })
    told[name] = { status: response.status, session: response.headers.get('mcp-session-id'), challenge: response.headers.get('www-authenticate'), retry: response.headers.get('retry-after') }
    if (method === 'GET') await response.body.cancel()
  } catch (error) {
    told[name] = { failed: String(error) }
  }
  return told[name]
}
const token = { Authorization: 'Bearer me' }
await say('no token', 'POST', json, body('initialize', {}))
const { session } = await say('initialize', 'POST', { ...json, ...token }, body('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'page', version: '1' } }))
const of = { ...token, 'Mcp-Session-Id': session, 'MCP-Protocol-Version': '2025-11-25' }
await say('call', 'POST', { ...json, ...of }, body('tools/call', { name: 'count', arguments: {} }))
await say('stream', 'GET', { ...of, Accept: 'text/event-stream' })
await say('resumed', 'GET', { ...of, Accept: 'text/event-stream', 'Last-Event-ID': 'made-up' })
const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
await say('stateless', 'POST', { ...json, ...token, 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'tools/call', 'Mcp-Name': 'stamp', 'Mcp-Param-Region': 'eu' }, body('tools/call', { name: 'stamp', arguments: { message: 'x' }, _meta: meta }))
await say('end', 'DELETE', of)
await say('gone', 'POST', { ...json, ...of }, body('ping'))
const metadata = await fetch(new globalThis.URL('/.well-known/oauth-protected-resource/mcp', URL)).then(response => response.json()).catch(String)
document.title = 'done'
globalThis.told = { ...told, metadata }
`

/** An application with a CORS plugin of these options, as a page of another origin finds it. */
async function told (t: Test, options: (origin: string) => object, allow: boolean): Promise<Record<string, Record<string, unknown>>> {
  let script = ''
  const pages = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end(`<!doctype html><link rel="icon" href="data:,"><script type="module">${script}</script>`)
  }).listen(0, '127.0.0.1')
  t.teardown(() => pages.close())
  await once(pages, 'listening')
  const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`
  const { url } = await startApp(t, {
    createServer: makeServer,
    stateless: {},
    oauth: { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] },
    principal: request => request.headers.authorization ?? null,
    ...allow && { allowedOrigins: [origin] }
  }, {
    before: async app => {
      await app.register(cors, options(origin))
      app.addHook('onRequest', async (request, reply) => {
        if (request.method !== 'OPTIONS' && request.headers.authorization === undefined) return reply.code(401).send()
      })
    }
  })
  script = `const URL = ${JSON.stringify(url)}\n${SCRIPT}`
  const page = await browser.newPage()
  t.teardown(() => page.close())
  await page.goto(origin)
  await page.waitForFunction('document.title === "done"')
  return page.evaluate('told')
}

/** The options of @fastify/cors that docs/eras.md shows, for this origin. */
function documented (origin: string): object {
  const [, options] = /register\(cors, (\{[^]*?\})\)/.exec(read('docs/eras.md'))!
  const Function = (() => {}).constructor as new (body: string) => () => object
  return new Function(`return (${options!.replace('https://app.example.com', origin)})`)()
}

t.test('what docs/eras.md shows lets a page send all that clients send, and read what they read', async t => {
  const answers = await told(t, documented, true)
  t.match(answers, {
    'no token': { status: 401, challenge: /^Bearer resource_metadata=/ },
    initialize: { status: 200, session: /^[0-9a-f]{16}\./ },
    call: { status: 200 },
    stream: { status: 200 },
    resumed: { status: 200 },
    stateless: { status: 200 },
    end: { status: 200 },
    gone: { status: 404 },
    metadata: { resource: 'https://mcp.example.com/mcp' }
  })
})

t.test('the plugin has to know the origin, too', async t => {
  t.match(await told(t, documented, false), { initialize: { status: 403 } })
})
