import t from 'tap'
import { challenged, insufficientScope } from '../../lib/security/challenge.ts'

const metadata = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp'
const named = `resource_metadata="${metadata}"`
const plain = { metadata, scopes: [] }
const scoped = { metadata, scopes: ['notes:read', 'notes:write'] }

t.test('a 401 that says nothing gets a challenge', async t => {
  t.equal(challenged(401, undefined, plain), `Bearer ${named}`)
  t.equal(challenged(401, undefined, scoped), `Bearer ${named}, scope="notes:read notes:write"`)
  t.equal(challenged(401, '', plain), `Bearer ${named}`)
})

t.test('a 401 that has one keeps what it says, and gets what it lacks', async t => {
  for (const [present, completed] of [
    ['Bearer', `Bearer ${named}`],
    ['bearer', `bearer ${named}`],
    ['Bearer realm="a, b", error="invalid_token"', `Bearer realm="a, b", error="invalid_token", ${named}`],
    ['Bearer realm="say \\"Basic x\\", Digest"', `Bearer realm="say \\"Basic x\\", Digest", ${named}`],
    ['Basic realm="a"', `Bearer ${named}, Basic realm="a"`],
    ['Basic realm="a", charset="UTF-8", Bearer error="invalid_token"', `Bearer error="invalid_token", ${named}, Basic realm="a", charset="UTF-8"`],
    ['Negotiate YWI9PQ==, Bearer', `Bearer ${named}, Negotiate YWI9PQ==`],
    ['Bearer realm = "a" ,error=x', `Bearer realm = "a", error=x, ${named}`],
    [['Basic realm="a"', 'Bearer realm="b"'], `Bearer realm="b", ${named}, Basic realm="a"`]
  ] as const) t.equal(challenged(401, present, plain), completed, String(present))
})

t.test('its own scope stays, and so does its own metadata', async t => {
  t.equal(challenged(401, 'Bearer scope="a"', scoped), `Bearer scope="a", ${named}`)
  t.equal(challenged(401, 'Bearer resource_metadata="https://other.example"', scoped), undefined)
  t.equal(challenged(401, 'Bearer Resource_Metadata=x', scoped), undefined)
  t.equal(challenged(401, 'Basic realm="resource_metadata=x"', plain), `Bearer ${named}, Basic realm="resource_metadata=x"`)
})

t.test('a 403 is completed where a scope is missing, and no other answer is touched', async t => {
  t.equal(challenged(403, insufficientScope(['a', 'b']), scoped), `Bearer error="insufficient_scope", scope="a b", ${named}`)
  t.equal(challenged(403, 'Bearer scope="a", error=insufficient_scope', scoped), `Bearer scope="a", error=insufficient_scope, ${named}`)
  t.equal(challenged(403, undefined, scoped), undefined)
  t.equal(challenged(403, 'Bearer error="invalid_token"', scoped), undefined)
  t.equal(challenged(403, 'Basic error="insufficient_scope"', scoped), undefined)
  for (const status of [200, 202, 400, 404, 500]) t.equal(challenged(status, insufficientScope(['a']), scoped), undefined, String(status))
})

t.test('no value breaks out of its quotes', async t => {
  t.equal(insufficientScope(['a", error="x', 'b\\', 'c\r\nx: y']), 'Bearer error="insufficient_scope", scope="a\\", error=\\"x b\\\\ cx: y"')
})

t.test('whatever stands there, there is an answer', async t => {
  for (const present of [',', '"', 'Bearer "', '=', 'a=b', 'Bearer ,,,', 7, [[]], `Bearer ${'"\\'.repeat(4000)}`]) {
    t.match(challenged(401, present, plain), named, String(present).slice(0, 20))
  }
})
