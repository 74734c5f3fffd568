import t from 'tap'
import { readOptions } from '../lib/settings.ts'
import type { McpStickyOptions } from '../lib/options.ts'

const createServer = (): any => ({})
const read = (options: object): unknown => readOptions({ createServer, ...options } as McpStickyOptions)
const oauth = { resource: 'https://mcp.example.com/mcp', authorizationServers: ['https://login.example.com'] }

t.test('defaults', async t => {
  t.match(readOptions({ createServer }), {
    path: '/mcp',
    keyPrefix: 'mcp:',
    responseMode: 'auto',
    node: { id: /^[\w.-]{1,64}$/, url: undefined, heartbeat: 2000 },
    stream: { wait: 1000, keepAlive: 15_000, retry: 1000, maxBuffered: 128 * 1024 * 1024 },
    session: { ttl: 30 * 86_400_000, idleTimeout: 4 * 3_600_000, firstUseTimeout: 60_000, maxPerNode: 10_000, maxPerPrincipal: 1000 }
  })
})

t.test('nodes of one process that are given no id have different ones', async t => {
  const ids = [1, 2, 3].map(() => readOptions({ createServer }).node.id)
  t.equal(new Set(ids).size, 3)
  for (const id of ids) t.match(id, new RegExp(`^[\\w.-]+-${process.pid}(-\\d+)?$`))
})

t.test('a wrong option is refused by its name', async t => {
  const wrong: Array<[string, object]> = [
    ['createServer', { createServer: 'x' }],
    ['createserver', { createserver: createServer }],
    ['path', { path: 'mcp' }],
    ['path', { path: '/mcp/:id' }],
    ['path', { path: '/mcp?x' }],
    ['keyPrefix', { keyPrefix: '{mcp}:' }],
    ['keyPrefix', { keyPrefix: 1 }],
    ['node', { node: 'a' }],
    ['node.ID', { node: { ID: 'a' } }],
    ['node.id', { node: { id: 'a b' } }],
    ['node.id', { node: { id: 'a'.repeat(65) } }],
    ['node.url', { node: { url: 'http://10.0.0.1:3000/' } }],
    ['node.url', { node: { url: 'http://10.0.0.1:3000/mcp' } }],
    ['node.url', { node: { url: '10.0.0.1:3000' } }],
    ['node.url', { node: { url: 'ws://10.0.0.1:3000' } }],
    ['node.heartbeat', { node: { heartbeat: 0 } }],
    ['node.heartbeat', { node: { heartbeat: 100.5 } }],
    ['session.ttl', { session: { ttl: 600_000.5 } }],
    ['misroute', { misroute: 'ignore' }],
    ['orphan', { orphan: 'ignore' }],
    ['responseMode', { responseMode: 'xml' }],
    ['stream.wait', { stream: { wait: -1 } }],
    ['stream.keepAlive', { stream: { keepAlive: '15s' } }],
    ['stream.retry', { stream: { retry: NaN } }],
    ['stream.retry', { stream: { retry: true } }],
    ['stream.maxBuffered', { stream: { maxBuffered: 0 } }],
    ['stream.maxBuffered', { stream: { maxBuffered: '64mb' } }],
    ['session.ttl', { session: { ttl: 1000 } }],
    ['session.idleTimeout', { session: { idleTimeout: 0 } }],
    ['session.firstUseTimeout', { session: { firstUseTimeout: null } }],
    ['session.maxPerNode', { session: { maxPerNode: 0 } }],
    ['session.maxPerPrincipal', { session: { maxPerPrincipal: 1.5 } }],
    ['session.max', { session: { max: 1 } }],
    ['principal', { principal: 'sub' }],
    ['authInfo', { authInfo: {} }],
    ['oauth', { oauth: true }],
    ['oauth.issuer', { oauth: { ...oauth, issuer: 'https://login.example.com' } }],
    ['oauth.resource', { oauth: { authorizationServers: oauth.authorizationServers } }],
    ['oauth.resource', { oauth: { ...oauth, resource: '/mcp' } }],
    ['oauth.resource', { oauth: { ...oauth, resource: 'http://mcp.example.com/mcp' } }],
    ['oauth.authorizationServers', { oauth: { resource: oauth.resource } }],
    ['oauth.authorizationServers', { oauth: { ...oauth, authorizationServers: [] } }],
    ['oauth.authorizationServers', { oauth: { ...oauth, authorizationServers: 'https://login.example.com' } }],
    ['oauth.authorizationServers[1]', { oauth: { ...oauth, authorizationServers: ['https://login.example.com', 'login'] } }],
    ['oauth.scopes', { oauth: { ...oauth, scopes: 'a b' } }],
    ['oauth.scopes', { oauth: { ...oauth, scopes: ['a b'] } }],
    ['oauth.scopes', { oauth: { ...oauth, scopes: ['a"'] } }],
    ['oauth.scopes', { oauth: { ...oauth, scopes: [''] } }],
    ['allowedHosts', { allowedHosts: 'mcp.example.com' }],
    ['allowedHosts', { allowedHosts: ['https://mcp.example.com'] }],
    ['allowedHosts', { allowedHosts: ['*'] }],
    ['allowedOrigins', { allowedOrigins: ['app.example.com'] }],
    ['allowedOrigins', { allowedOrigins: ['https://app.example.com/'] }],
    ['eventStore', { eventStore: {} }],
    ['eventStore', { eventStore: null }],
    ['routeOptions', { routeOptions: [] }],
    ['routeOptions.url', { routeOptions: { url: '/x' } }],
    ['routeOptions.handler', { routeOptions: { handler: createServer } }]
  ]
  for (const [name, options] of wrong) {
    t.throws(() => read(options), { code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(`^option \`${name.replace(/[.[\]]/g, '\\$&')}\` `) }, name)
  }
})

t.test('policies for which nodes must reach each other need node.url', async t => {
  for (const [name, value] of [['misroute', 'forward'], ['orphan', 'adopt']] as const) {
    t.throws(() => read({ [name]: value }), { code: 'MCP_STICKY_ERR_POLICY_UNAVAILABLE', message: new RegExp(`${name}.*node\\.url`) })
    t.match(read({ [name]: value, node: { url: 'http://10.0.0.1:3000' } }), { [name]: value })
  }
  t.doesNotThrow(() => read({ misroute: 'reject', orphan: 'reject' }))
})

t.test('right values are kept', async t => {
  const eventStore = { storeEvent: async () => '', replayEventsAfter: async () => '' }
  const given = {
    path: '/v1/mcp',
    node: { id: 'node-1', url: 'https://10.0.0.1:8443', heartbeat: 500 },
    session: { idleTimeout: Infinity, firstUseTimeout: Infinity, maxPerNode: Infinity },
    allowedHosts: ['mcp.example.com:8443'],
    allowedOrigins: ['https://app.example.com', 'null'],
    eventStore
  }
  t.match(read(given), given)
})

t.test('stateless', async t => {
  const read = (stateless: any): any => readOptions({ createServer, stateless } as any).stateless
  t.equal(read(undefined), false)
  t.equal(read(false), false)
  t.match(read({}), { servers: 'each', createServer, announce: true, secrets: undefined, maxPerPrincipal: 1000 })
  const own = () => {}
  t.match(read({ servers: 'shared', createServer: own, announce: false, secrets: ['x'.repeat(32), Buffer.alloc(32)], maxPerPrincipal: Infinity }), { servers: 'shared', createServer: own, announce: false, secrets: ['x'.repeat(32), /^A+$/], maxPerPrincipal: Infinity })
  for (const [stateless, name] of [
    [true, 'stateless'], [{ nonsense: 1 }, 'stateless.nonsense'], [{ servers: 'pool' }, 'stateless.servers'], [{ servers: 'shared' }, 'stateless.createServer'], [{ createServer: 1 }, 'stateless.createServer'],
    [{ secrets: [] }, 'stateless.secrets'], [{ secrets: ['short'] }, 'stateless.secrets'], [{ secrets: 'x'.repeat(32) }, 'stateless.secrets'], [{ secrets: [Buffer.alloc(31)] }, 'stateless.secrets'], [{ secrets: [1] }, 'stateless.secrets'],
    [{ announce: 'no' }, 'stateless.announce'], [{ maxPerPrincipal: 0 }, 'stateless.maxPerPrincipal']
  ] as const) t.throws(() => read(stateless), { code: 'MCP_STICKY_ERR_OPTION', message: new RegExp(`option \`${name}\``) })
})

t.test('oauth is complete, and says nothing of scopes by default', async t => {
  t.equal(readOptions({ createServer }).oauth, undefined)
  t.strictSame(readOptions({ createServer, oauth }).oauth, { ...oauth, scopes: [] })
  t.strictSame(readOptions({ createServer, oauth: { ...oauth, scopes: ['a:b', 'c'] } }).oauth?.scopes, ['a:b', 'c'])
})
