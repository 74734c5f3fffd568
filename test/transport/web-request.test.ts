import t from 'tap'
import { lazyRequest } from '../../lib/transport/web-request.ts'
import { HTTP } from '../fixtures/wired-transport.ts'

t.test('every member of a Request is there, and none is its caller\'s to build', async t => {
  const real = new Request('http://mcp.test:8080/mcp?x=1', { method: 'POST', headers: HTTP.headers })
  const lazy = lazyRequest(HTTP)
  t.ok(lazy instanceof Request)
  for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(Request.prototype))) {
    if (name === 'constructor') continue
    const [ours, theirs] = [lazy, real].map(request => Reflect.get(request, name)) as [unknown, unknown]
    if (get === undefined) t.equal(typeof ours, typeof theirs, name)
    else if (typeof theirs !== 'object' || theirs === null) t.equal(ours, theirs, name)
  }
  t.equal(lazy.clone().method, 'POST')
  t.equal(lazy.headers, lazy.headers, 'it is made once')
})

t.test('header fields are those that came, but for those of HTTP/2 itself', async t => {
  const { headers } = lazyRequest({ ...HTTP, headers: { ':path': '/mcp', 'x-one': '1', 'x-two': ['a', 'b'], 'x-none': undefined } })
  t.strictSame([...headers], [['x-one', '1'], ['x-two', 'a, b']])
})

t.test('nothing is read before somebody looks', async t => {
  let looks = 0
  const lazy = lazyRequest({ ...HTTP, get headers () { looks++; return HTTP.headers } })
  t.equal(looks, 0)
  t.equal(lazy.headers.get('host'), 'mcp.test:8080')
  t.ok(looks > 0)
})
