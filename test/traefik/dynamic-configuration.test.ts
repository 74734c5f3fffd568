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

t.test('who drains has its tags and is not in the pool, unless all drain', async t => {
  const [a, b] = nodes.map(({ url }) => ({ url, draining: true })) as [{ url: string, draining: boolean }, { url: string, draining: boolean }]
  const pool = (...members: Array<{ url: string, draining?: boolean }>) => dynamicConfiguration(members).http.services['mcp-pool'] as { loadBalancer: { servers: unknown[] } }
  t.strictSame(pool(a, { url: b.url }).loadBalancer.servers, [{ url: b.url }])
  t.strictSame(dynamicConfiguration([a, { url: b.url }]).http.routers, dynamicConfiguration(nodes).http.routers)
  t.strictSame(dynamicConfiguration([a, b]), dynamicConfiguration(nodes))
})

t.test('calls without sessions go round the pool without a cookie, where a node serves them', async t => {
  const [a, b] = nodes.map(({ url }) => ({ url })) as [{ url: string }, { url: string }]
  const { routers, services } = dynamicConfiguration([{ ...a, stateless: ['/mcp'] }, b]).http
  t.match(routers['mcp-stateless'], { priority: 1050, service: 'mcp-stateless', middlewares: ['mcp-retry'] })
  const [, dates] = /HeaderRegexp\(`MCP-Protocol-Version`, `(.*)`\)$/.exec(routers['mcp-stateless']!.rule)!
  t.strictSame(['2025-11-25', '2026-07-28', '2031-01-01'].map(version => new RegExp(dates!).test(version)), [false, true, true])
  const [plain, sticky] = [services['mcp-stateless'], services['mcp-pool']] as any[]
  t.strictSame({ loadBalancer: { ...plain.loadBalancer, sticky: sticky.loadBalancer.sticky } }, sticky)
  t.notOk('sticky' in plain.loadBalancer)
  t.strictSame(dynamicConfiguration([{ ...a, stateless: ['/other'] }, b]), dynamicConfiguration([a, b]))
  t.ok(dynamicConfiguration([{ ...a, stateless: true }, b], { mcpPath: '/elsewhere' }).http.routers['mcp-stateless'])
  t.throws(() => dynamicConfiguration([a], { priorities: { stateless: 1101 } }), { message: /priorities\.stateless/ })
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

t.test('several endpoints: the longest path first, each with a cookie of its own', async t => {
  const document = dynamicConfiguration(nodes, { mcpPath: ['/mcp', '/mcp/admin'] })
  t.strictSame(document, golden('two-endpoints'))
  const { routers, services } = document.http
  const priorities = (path: string): number[] => Object.values(routers).filter(({ rule }) => rule.includes(`Path(\`${path}\`)`)).map(({ priority }) => priority)
  t.ok(Math.min(...priorities('/mcp/admin')) > Math.max(...priorities('/mcp')))
  t.ok(routers['mcp-guard']!.priority > Math.max(...priorities('/mcp/admin')))
  t.strictSame(['mcp-pool', 'mcp-2-pool'].map(pool => (services[pool] as any).loadBalancer.sticky.cookie.path), ['/mcp', '/mcp/admin'])
  const single = dynamicConfiguration(nodes, { mcpPath: '/mcp' }).http
  for (const [name, router] of Object.entries(single.routers)) t.strictSame(routers[name], router, 'and the first is as it is alone')
  t.throws(() => dynamicConfiguration(nodes, { mcpPath: ['/a', '/b'], priorities: { cookie: 1, node: 2, guard: 4 } }), { message: /priorities/ })
  for (const mcpPath of [[], ['/a', '/a'], ['a'], [7 as unknown as string]]) t.throws(() => dynamicConfiguration(nodes, { mcpPath }), { message: /mcpPath/ })
})

t.test('nothing is led to a node for a path that it lacks, unless all do', async t => {
  const [a, b] = nodes as [{ url: string }, { url: string }]
  const { routers, services } = dynamicConfiguration([{ ...a, paths: ['/mcp', '/mcp/admin'] }, { ...b, paths: ['/mcp'] }], { mcpPath: ['/mcp', '/mcp/admin', '/elsewhere'] }).http
  const urls = (pool: string): string[] => (services[pool] as any).loadBalancer.servers.map(({ url }: { url: string }) => url)
  t.strictSame([urls('mcp-pool').length, urls('mcp-2-pool'), urls('mcp-3-pool').length], [2, [a.url], 2])
  t.strictSame(Object.keys(routers).filter(name => name.startsWith('mcp-2-affinity')).length, 1)
})
