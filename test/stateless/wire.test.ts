import t from 'tap'
import { declared, discovery, isGone, toSessionful, toStateless } from '../../lib/stateless/wire.ts'
import { META, REVISION } from '../../lib/stateless/revision.ts'

const identity = { serverInfo: { name: 'a', version: '1' }, capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, tasks: {}, logging: {} }, instructions: undefined }
const answer = (method: string, result: object): any => (toStateless(method, { jsonrpc: '2.0', id: 1, result: result as Record<string, unknown> }, identity) as any).result

t.test('a request loses its envelope', async t => {
  const request = (params: object): any => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  t.strictSame(toSessionful(request({ name: 'a', requestState: 'x', inputResponses: {}, _meta: { [META.version]: REVISION, progressToken: 1 } })), request({ name: 'a', _meta: { progressToken: 1 } }))
  t.strictSame(toSessionful(request({ name: 'a', _meta: { [META.version]: REVISION } })), request({ name: 'a' }))
})

t.test('an answer says its kind, how long it holds, and who gives it', async t => {
  t.strictSame(answer('tools/call', { content: [] }), { content: [], resultType: 'complete', _meta: { [META.serverInfo]: identity.serverInfo } })
  t.match(answer('resources/read', { contents: [] }), { ttlMs: 0, cacheScope: 'private' })
  t.match(answer('tools/list', { tools: [{ name: 'a', execution: {} }], ttlMs: 5, cacheScope: 'public' }), { ttlMs: 5, cacheScope: 'public' })
  t.strictSame(answer('tools/list', { tools: [{ name: 'a', execution: {} }] }).tools, [{ name: 'a' }])
  t.match(answer('tools/call', { _meta: { own: 1 } })._meta, { own: 1, [META.serverInfo]: {} })
})

t.test('codes that are of the sessions', async t => {
  const code = (code: number) => (toStateless('resources/read', { jsonrpc: '2.0', id: 1, error: { code, message: 'm' } }, identity) as any).error.code
  t.strictSame([-32002, -32042, -32601, -32602].map(code), [-32602, -32603, -32601, -32602])
})

t.test('what is declared', async t => {
  t.strictSame(discovery(identity), { supportedVersions: [REVISION], capabilities: { tools: {}, resources: {}, logging: {} } })
  t.equal(discovery({ ...identity, instructions: 'i' })['instructions'], 'i')
  t.strictSame(declared({}), {})
  t.strictSame(['ping', 'initialize', 'tasks/get', 'resources/subscribe', 'tools/list'].map(isGone), [true, true, true, true, false])
})
