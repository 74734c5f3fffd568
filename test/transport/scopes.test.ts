import { requireScopes } from '@modelcontextprotocol/server'
import t from 'tap'
import { Scopes } from '../../lib/transport/scopes.ts'
import type { Resolver } from '../../lib/transport/scopes.ts'
import type { JsonRpcMessage } from '../../lib/transport/messages.ts'

const request = (id: number, method = 'tools/call'): JsonRpcMessage => ({ jsonrpc: '2.0', id, method })
const token = (...scopes: string[]) => ({ token: 't', clientId: 'c', scopes })

function scopesWith (resolver: Resolver): Scopes {
  const scopes = new Scopes()
  scopes.resolver = resolver
  return scopes
}

t.test('a server that asks for nothing lacks nothing', async t => {
  t.equal(new Scopes().lacking([request(1)], undefined), undefined)
  t.equal(scopesWith(() => undefined).lacking([request(1)], token()), undefined)
})

t.test('who lacks a scope is told which, at once', async t => {
  const scopes = scopesWith(requireScopes('read', 'write'))
  t.equal(scopes.lacking([request(1)], token('write', 'read')), undefined)
  t.equal(scopes.lacking([request(1)], token('read')), 'Bearer error="insufficient_scope", error_description="Insufficient scope", scope="read write"')
  t.equal(scopes.lacking([request(1)], undefined), undefined, 'who shows no token is the gate\'s to stop')
})

t.test('each request is asked about, until one lacks something, and nothing but requests', async t => {
  const asked: unknown[] = []
  const scopes = scopesWith(({ request: { id }, ...rest }) => {
    asked.push([id, rest])
    return id === 2 ? { scopes: ['a'], errorDescription: 'no a' } : undefined
  })
  const messages: JsonRpcMessage[] = [{ jsonrpc: '2.0', method: 'notifications/initialized' }, request(1), request(2), request(3)]
  t.match(scopes.lacking(messages, undefined), /error_description="no a", scope="a"/)
  t.strictSame(asked, [[1, {}], [2, {}]])
})

t.test('a server may take its time, and the rest is asked about then', async t => {
  const asked: unknown[] = []
  const scopes = scopesWith(async ({ request: { id } }) => {
    asked.push(id)
    return id === 2 ? { scopes: ['a'] } : undefined
  })
  t.match(await scopes.lacking([request(1), request(2), request(3)], undefined), /scope="a"/)
  t.strictSame(asked, [1, 2])
  t.equal(await scopes.lacking([request(1), request(3)], undefined), undefined)
  // Whatever kind of promise it has.
  const thenable = { then: (done: (challenge: object) => void) => { done({ scopes: ['a'] }) } }
  t.match(await scopesWith(() => thenable as never).lacking([request(1)], undefined), /scope="a"/)
})

t.test('where the resource is described', async t => {
  const at = (about: object): unknown => /resource_metadata="(.*)"$/.exec(String(scopesWith(requireScopes('a')).lacking([request(1)], { ...token(), ...about })))?.[1]
  t.equal(at({ resource: new URL('https://mcp.example.com/mcp#x') }), 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp')
  t.equal(at({ resource: new URL('http://mcp.example.com/') }), 'http://mcp.example.com/.well-known/oauth-protected-resource')
  t.equal(at({ resource: new URL('urn:mcp') }), undefined)
  t.equal(at({ resource: new URL('https://a.example'), resourceMetadataUrl: 'https://b.example/"' }), 'https://b.example/\\"')
})

t.test('what is no challenge is an error, and makes no header field', async t => {
  const wrong = [{}, { scopes: [] }, { scopes: ['a b'] }, { scopes: ['a"'] }, { scopes: ['a\r\nx: y'] }, { scopes: [1] }, { scopes: 'a' }, { scopes: ['a'], errorDescription: 'a\nb' }, { scopes: ['a'], errorDescription: 1 }]
  for (const challenge of wrong) {
    t.throws(() => scopesWith(() => challenge as never).lacking([request(1)], undefined), TypeError, JSON.stringify(challenge))
    await t.rejects(scopesWith(async () => challenge as never).lacking([request(1)], undefined) as Promise<unknown>, TypeError, JSON.stringify(challenge))
  }
  t.throws(() => scopesWith(() => { throw new Error('on purpose') }).lacking([request(1)], undefined), { message: 'on purpose' })
})
