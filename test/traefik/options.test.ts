import t from 'tap'
import { readTraefikOptions, type TraefikOptions } from '../../lib/traefik/options.ts'

t.test('everything has a default', async t => {
  t.strictSame(readTraefikOptions({}), {
    mcpPaths: ['/mcp'],
    entryPoints: undefined,
    tls: undefined,
    hostRule: undefined,
    names: 'mcp',
    priorities: { cookie: 1000, stateless: 1050, node: 1100, guard: 1200 },
    middlewares: [],
    healthCheck: { interval: 1000, timeout: 1000 },
    serversTransport: undefined
  })
})

t.test('what is given is taken', async t => {
  const given: TraefikOptions = {
    mcpPath: '/',
    entryPoints: ['web'],
    hostRule: 'Host(`a`)',
    names: 'a-1',
    priorities: { cookie: 1, node: 2, guard: 3 },
    middlewares: ['a@file'],
    healthCheck: { interval: 1, timeout: 86_400_000 },
    serversTransport: { rootCAs: ['/ca.pem'], serverName: 'a', insecureSkipVerify: false }
  }
  const { mcpPath, ...others } = given
  t.match(readTraefikOptions(given), { ...others, mcpPaths: [mcpPath] })
  t.strictSame(readTraefikOptions({ mcpPath: ['/a', '/b'] }).mcpPaths, ['/a', '/b'])
  t.equal(readTraefikOptions({ serversTransport: 'mtls@file' }).serversTransport, 'mtls@file')
  t.strictSame([true, false, { certResolver: 'le' }].map(tls => readTraefikOptions({ tls }).tls), [{}, undefined, { certResolver: 'le' }])
})

t.test('a wrong option is refused by its name', async t => {
  const wrong: Array<[string, object]> = [
    ['other', { other: 1 }],
    ...['mcp', '/mcp/', '/a?b', '/:id', '/a b', '/a`b', 1].map((mcpPath): [string, object] => ['mcpPath', { mcpPath }]),
    ...[[], ['a b'], 'web', ['']].map((entryPoints): [string, object] => ['entryPoints', { entryPoints }]),
    ...[' ', 1].map((hostRule): [string, object] => ['hostRule', { hostRule }]),
    ...['', 'a b', 1].map((names): [string, object] => ['names', { names }]),
    ...['a', [1]].map((middlewares): [string, object] => ['middlewares', { middlewares }]),
    ...[{ cookie: 0 }, { cookie: 1100 }, { node: 1200 }, { guard: 1.5 }].map((priorities): [string, object] => ['priorities', { priorities }]),
    ['priorities.more', { priorities: { more: 1 } }],
    ...[0, 1.5, 86_400_001].map((interval): [string, object] => ['healthCheck.interval', { healthCheck: { interval } }]),
    ['healthCheck.timeout', { healthCheck: { timeout: 0 } }],
    ...[1, null, []].map((tls): [string, object] => ['tls', { tls }]),
    ['tls.other', { tls: { other: 1 } }],
    ['serversTransport', { serversTransport: 'a b' }],
    ['serversTransport.other', { serversTransport: { other: 1 } }],
    ...[[], [' '], 'ca'].map((rootCAs): [string, object] => ['serversTransport.rootCAs', { serversTransport: { rootCAs } }]),
    ['serversTransport.serverName', { serversTransport: { serverName: 'a b' } }],
    ['serversTransport.insecureSkipVerify', { serversTransport: { insecureSkipVerify: 1 } }]
  ]
  for (const [name, options] of wrong) {
    t.throws(() => readTraefikOptions(options), { code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(`^option \`${name}\` `) }, JSON.stringify(options))
  }
})
