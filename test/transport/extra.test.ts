import t from 'tap'
import { MessageExtra } from '../../lib/transport/extra.ts'
import { HTTP } from '../fixtures/wired-transport.ts'

t.test('the request of SDK 2.x is a Request, made when somebody looks', async t => {
  let looked = 0
  const http = { ...HTTP, headers: { ...HTTP.headers, cookie: 'a=1', ':path': '/mcp', 'x-two': ['1', '2'] }, get host () { looked++; return HTTP.host } }
  const { request } = new MessageExtra(http, undefined)
  t.ok(request instanceof Request)
  t.equal(looked, 0)
  t.equal(request.url, 'http://mcp.test:8080/mcp?x=1')
  t.equal(request.method, 'POST')
  t.equal(request.headers.get('X-Agent'), 'me')
  t.equal(request.headers.get('x-two'), '1, 2')
  t.equal(request.headers.get('cookie'), 'a=1')
  t.equal(request.signal.aborted, false)
  t.equal(request.clone().url, request.url)
  t.equal(await request.text(), '')
  t.equal(looked, 1)
})

t.test('the url stands also when the client sent a Host that is none', async t => {
  const extra = new MessageExtra({ ...HTTP, host: 'no host' }, undefined)
  t.equal(extra.requestInfo.url.href, 'http://localhost/mcp?x=1')
  t.equal(extra.request.url, 'http://localhost/mcp?x=1')
})

t.test('authInfo and the functions of a resumable call', async t => {
  const authInfo = { token: 't', clientId: 'c', scopes: [] }
  const extra = new MessageExtra(HTTP, authInfo)
  t.equal(extra.authInfo, authInfo)
  t.equal(extra.closeSSEStream, undefined)
  const called: string[] = []
  const resumable = extra.resumable(() => called.push('call'), () => called.push('standalone'))
  resumable.closeSSEStream!()
  resumable.closeStandaloneSSEStream!()
  t.same(called, ['call', 'standalone'])
  t.equal(resumable.authInfo, authInfo)
  t.equal(resumable.requestInfo.headers, HTTP.headers)
})
