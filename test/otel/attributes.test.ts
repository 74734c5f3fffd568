import t from 'tap'
import { askedOf, serverOf, short } from '../../lib/otel/attributes.ts'

const message = (method: unknown, params: object = {}, id: unknown = 1): object => ({ jsonrpc: '2.0', id, method, params })

t.test('what a message asks for, by the names of the conventions', async t => {
  t.match(askedOf(message('tools/call', { name: 'add', arguments: { secret: 1 } }, 'r-1')), {
    method: 'tools/call',
    target: 'add',
    attributes: { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'add', 'gen_ai.prompt.name': undefined, 'jsonrpc.request.id': 'r-1', 'network.transport': 'tcp', 'network.protocol.name': 'http' }
  })
  t.match(askedOf(message('prompts/get', { name: 'greet' })), { target: 'greet', attributes: { 'gen_ai.prompt.name': 'greet', 'gen_ai.tool.name': undefined } })
  t.match(askedOf(message('resources/read', { uri: 'file:///home/ann' })), { target: undefined, attributes: { 'jsonrpc.request.id': '1' } })
  t.notMatch(JSON.stringify([askedOf(message('resources/read', { uri: 'file:///home/ann' })), askedOf(message('tools/call', { name: 'add', arguments: { secret: 1 } }))]), /ann|secret/)
})

t.test('what clients make up stays small', async t => {
  t.match(askedOf(message('made/up')), { method: '_OTHER', target: undefined })
  t.match(askedOf(undefined), { method: '_OTHER', attributes: { 'jsonrpc.request.id': undefined } })
  t.equal(askedOf(message('ping', {}, null)).attributes['jsonrpc.request.id'], undefined)
  t.equal(String(askedOf(message('ping', {}, 'x'.repeat(1000))).attributes['jsonrpc.request.id']).length, 64)
  for (const name of ['\n', 'x'.repeat(129), 1, undefined]) {
    t.equal(askedOf(message('prompts/get', { name })).target, undefined)
    t.equal(askedOf(message('tools/call', { name })).target, undefined)
  }
  t.equal(askedOf({ method: 'prompts/get', params: null }).target, undefined)
  t.equal(short('x'.repeat(1000)).length, 256)
})

t.test('a node by its address and port', async t => {
  t.strictSame(serverOf('http://10.0.0.1:3000'), { 'server.address': '10.0.0.1', 'server.port': 3000 })
  t.strictSame(serverOf('https://a.example.com'), { 'server.address': 'a.example.com', 'server.port': 443 })
  t.strictSame(serverOf('http://[::1]'), { 'server.address': '::1', 'server.port': 80 })
})
