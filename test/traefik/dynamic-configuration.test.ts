import { readFileSync } from 'node:fs'
import t from 'tap'
import { dynamicConfiguration } from '../../lib/traefik/index.ts'
import type { TraefikOptions } from '../../lib/traefik/index.ts'
import { everything, nodes } from './samples.ts'

const golden = (name: string) => JSON.parse(readFileSync(new URL(`./golden/${name}.json`, import.meta.url), 'utf8'))

t.test('two nodes', async t => {
  t.strictSame(dynamicConfiguration(nodes), golden('two-nodes'))
})

t.test('every option', async t => {
  t.strictSame(dynamicConfiguration(nodes, everything), golden('every-option'))
})

t.test('the same members make the same bytes', async t => {
  const text = (members: Array<{ url: string }>) => JSON.stringify(dynamicConfiguration(members))
  t.equal(text([...nodes].reverse()), text(nodes), 'in any order')
  t.equal(text([...nodes, ...nodes]), text(nodes), 'listed twice')
  t.not(text(nodes.slice(1)), text(nodes))
})

t.test('the endpoint may be the whole host', async t => {
  const { http: { routers, services } } = dynamicConfiguration(nodes, { mcpPath: '/', hostRule: 'Host(`mcp.example.com`)' })
  t.equal(routers['mcp']!.rule, '(Host(`mcp.example.com`)) && PathPrefix(`/`)')
  t.match(services['mcp-pool'], { loadBalancer: { sticky: { cookie: { path: '/' } } } })
})

t.test('a certificate of Traefik\'s own choice', async t => {
  for (const router of Object.values(dynamicConfiguration(nodes, { tls: true }).http.routers)) t.strictSame(router.tls, {})
  for (const router of Object.values(dynamicConfiguration(nodes, { tls: false }).http.routers)) t.notOk('tls' in router)
})

t.test('a transport of the application\'s own', async t => {
  const { http } = dynamicConfiguration(nodes, { serversTransport: 'mtls@file' })
  t.notOk('serversTransports' in http)
  for (const [name, service] of Object.entries(http.services)) if ('loadBalancer' in service) t.equal(service.loadBalancer.serversTransport, 'mtls@file', name)
})

t.test('wrong options are refused by name', async t => {
  const wrong: Array<[string, unknown]> = [
    ['options', 7],
    ['mcpPth', { mcpPth: '/mcp' }],
    ...['mcp', '/mcp/', '/a b', '/a`b', '/:id', '/mcp*', 7].map((mcpPath): [string, unknown] => ['mcpPath', { mcpPath }]),
    ...[[], 'web', [''], [7]].map((entryPoints): [string, unknown] => ['entryPoints', { entryPoints }]),
    ...['yes', [], null].map((tls): [string, unknown] => ['tls', { tls }]),
    ['tls.resolver', { tls: { resolver: 'le' } }],
    ...['', ' ', 7].map((hostRule): [string, unknown] => ['hostRule', { hostRule }]),
    ...['', 'a b', 'a@b', 7].map((names): [string, unknown] => ['names', { names }]),
    ...[{ cookie: 1100 }, { node: 1200 }, { guard: 1.5 }, { cookie: 0 }].map((priorities): [string, unknown] => ['priorities', { priorities }]),
    ['priorities.pool', { priorities: { pool: 1 } }],
    ...['a', [''], ['a b'], [7]].map((middlewares): [string, unknown] => ['middlewares', { middlewares }]),
    ...[0, -1, 1.5, '1s', Infinity].map((interval): [string, unknown] => ['healthCheck.interval', { healthCheck: { interval } }]),
    ['healthCheck.timeout', { healthCheck: { timeout: 0 } }],
    ['healthCheck.path', { healthCheck: { path: '/' } }],
    ...['', 'a b', 7, null, []].map((serversTransport): [string, unknown] => ['serversTransport', { serversTransport }]),
    ...['ca.pem', [], [''], [7]].map((rootCAs): [string, unknown] => ['serversTransport.rootCAs', { serversTransport: { rootCAs } }]),
    ...['', 'a b', 7].map((serverName): [string, unknown] => ['serversTransport.serverName', { serversTransport: { serverName } }]),
    ['serversTransport.insecureSkipVerify', { serversTransport: { insecureSkipVerify: 'yes' } }],
    ['serversTransport.ca', { serversTransport: { ca: 'ca.pem' } }]
  ]
  for (const [name, options] of wrong) {
    t.throws(() => dynamicConfiguration(nodes, options as TraefikOptions), { code: 'MCP_STICKY_ERR_OPTION', message: `option \`${name}\` ` }, JSON.stringify(options))
  }
  t.throws(() => dynamicConfiguration([]), { code: 'MCP_STICKY_ERR_OPTION', message: 'option `nodes` ' })
})
