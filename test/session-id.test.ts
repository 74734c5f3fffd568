import t from 'tap'
import { createHash } from 'node:crypto'
import { isLegalSessionId, newSessionId, nodeTag, sessionDigest, sessionName, tagOf } from '../lib/session-id.ts'

t.test('the tag is a hash of the url, or of the id of a node without one', async t => {
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
  t.equal(nodeTag({ id: 'a', url: 'http://10.0.0.1:3000' }), hash('http://10.0.0.1:3000'))
  t.equal(nodeTag({ id: 'a' }), hash('a'))
})

t.test('an id carries its tag and 128 random bits', async t => {
  const tag = nodeTag({ id: 'a' })
  const ids = new Set(Array.from({ length: 1000 }, () => newSessionId(tag)))
  t.equal(ids.size, 1000)
  for (const id of ids) {
    t.equal(tagOf(id), tag)
    t.equal(Buffer.from(id.slice(17), 'base64url').length, 16)
    t.ok(isLegalSessionId(id))
  }
})

t.test('ids that no node of ours made have no tag', async t => {
  for (const id of ['', 'x', '0123456789abcdef', '0123456789abcdef.', `0123456789ABCDEF.${'a'.repeat(22)}`, `0123456789abcdef.${'a'.repeat(23)}`, 'b9d1c2c4-8c0a-4d0e-9d68-3a6a2b7e9c11']) {
    t.equal(tagOf(id), undefined, id)
  }
})

t.test('legal are visible ASCII characters, however many', async t => {
  t.ok(isLegalSessionId('b9d1c2c4-8c0a-4d0e-9d68-3a6a2b7e9c11'))
  t.ok(isLegalSessionId('!~'.repeat(8000)))
  t.ok(isLegalSessionId('one,two'))
  for (const id of ['', 'a b', 'a\tb', 'a\n', 'é', 'one, two']) t.notOk(isLegalSessionId(id), id)
})

t.test('a session has a public name, from which the id cannot be told', async t => {
  const id = newSessionId(nodeTag({ id: 'a' }))
  t.match(sessionName(id), /^[\w-]{12}$/)
  t.equal(sessionName(id), sessionDigest(id).slice(0, 12))
  t.not(sessionName(id), sessionName(newSessionId(nodeTag({ id: 'a' }))))
})
