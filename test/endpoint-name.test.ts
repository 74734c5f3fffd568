import t from 'tap'
import { endpointOf, isAnonymous, isEndpointName, keyAt } from '../lib/endpoint-name.ts'
import { principalKey } from '../lib/security/principal.ts'

const PRINCIPALS = [undefined, 'ann', { issuer: 'admin', subject: 'ann' }, { issuer: '', subject: '' }, { issuer: '["admin"]', subject: '","' }, 'admin', '["admin"]', 'ä"\\']

t.test('a key says endpoint and principal both, and no two are the same', async t => {
  const keys = ['default', 'admin', 'ann', '-'].flatMap(endpoint => PRINCIPALS.map(principal => {
    const key = keyAt(endpoint, principalKey(principal))
    t.equal(endpointOf(key), endpoint)
    t.equal(isAnonymous(key), principal === undefined)
    return key
  }))
  t.equal(new Set(keys).size, keys.length)
  t.strictSame(keyAt('admin', principalKey({ issuer: 'i', subject: 's' })), '["admin","i","s"]')
  t.strictSame(keyAt('admin', undefined), '["admin"]')
})

t.test('at the default endpoint it is what it was before there were others, and no caller of a node of before has another', async t => {
  for (const principal of PRINCIPALS) t.equal(keyAt('default', principalKey(principal)), principalKey(principal))
})

t.test('what is no key of ours is of the default endpoint', async t => {
  for (const key of ['', 'ann', '["', '[1]', '[]', '["a","b","c","d"]', '{"0":"admin"}']) t.equal(endpointOf(key), 'default', key)
})

t.test('names', async t => {
  for (const name of ['a', 'default', 'a-1', '0', 'a'.repeat(32)]) t.equal(isEndpointName(name), true, name)
  for (const name of ['', 'A', 'a_b', 'a b', 'ä', 'a'.repeat(33), 1, undefined, null]) t.equal(isEndpointName(name), false, String(name))
})
