import t from 'tap'
import { principalKey } from '../../lib/security/principal.ts'

t.test('different principals have different keys', async t => {
  const keys = ['a', 'b', { issuer: 'a', subject: 'b' }, { issuer: 'b', subject: 'a' }, { issuer: 'a', subject: '' }, '["","a"]', ''].map(principalKey)
  t.equal(new Set(keys).size, keys.length)
})

t.test('a string is the subject of no issuer in particular', async t => {
  t.equal(principalKey('a'), principalKey({ issuer: '', subject: 'a' }))
})

t.test('nobody is anonymous', async t => {
  t.equal(principalKey(undefined), undefined)
  t.equal(principalKey(null), undefined)
})

t.test('what names nobody is an error', async t => {
  for (const wrong of [1, {}, { issuer: 'a' }, { subject: 'b' }, { issuer: 1, subject: 'b' }]) {
    t.throws(() => principalKey(wrong as any), { code: 'MCP_STICKY_ERR_PRINCIPAL' })
  }
})
