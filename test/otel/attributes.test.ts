import t from 'tap'
import { askedOf, serverOf, short } from '../../lib/otel/attributes.ts'

const message = (method: unknown, params: object = {}, id: unknown = 1): object => ({ jsonrpc: '2.0', id, method, params })

t.test('what a message asks for', async t => {
  t.match(askedOf(message('tools/call', { name: 'add', arguments: { secret: 1 } }, 'r-1')), {
    method: 'tools/call', tool: 'add', prompt: undefined, id: 'r-1'
  })
  t.match(askedOf(message('prompts/get', { name: 'greet' })), { prompt: 'greet', tool: undefined })
  t.match(askedOf(message('resources/read', { uri: 'file:///home/ann' })), { tool: undefined, prompt: undefined, id: '1' })
  t.notMatch(JSON.stringify([askedOf(message('resources/read', { uri: 'file:///home/ann' })), askedOf(message('tools/call', { name: 'add', arguments: { secret: 1 } }))]), /ann|secret/)
})

t.test('what clients make up stays small', async t => {
  t.match(askedOf(message('made/up')), { method: '_OTHER', tool: undefined })
  t.match(askedOf(undefined), { method: '_OTHER', id: undefined })
  t.equal(askedOf(message('ping', {}, null)).id, undefined)
  t.equal(askedOf(message('ping', {}, 'x'.repeat(1000))).id?.length, 64)
  for (const name of ['\n', 'x'.repeat(129), 1, undefined]) {
    t.equal(askedOf(message('prompts/get', { name })).prompt, undefined)
    t.equal(askedOf(message('tools/call', { name })).tool, undefined)
  }
  t.equal(askedOf({ method: 'prompts/get', params: null }).prompt, undefined)
  t.equal(short('x'.repeat(1000)).length, 256)
})

t.test('a node by its address and port', async t => {
  t.strictSame(serverOf('http://10.0.0.1:3000'), { 'server.address': '10.0.0.1', 'server.port': 3000 })
  t.strictSame(serverOf('https://a.example.com'), { 'server.address': 'a.example.com', 'server.port': 443 })
  t.strictSame(serverOf('http://[::1]'), { 'server.address': '::1', 'server.port': 80 })
})
