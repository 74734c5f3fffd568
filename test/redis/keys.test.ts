import t from 'tap'
import { redisKeys } from '../../lib/redis/keys.ts'

t.test('every key begins with the prefix, and no two are the same', async t => {
  const keys = redisKeys('p:')
  const all = Object.values(keys).map(key => typeof key === 'string' ? key : key('x'))
  for (const key of all) t.match(key, /^p:[^{}]+$/, 'without a hash tag')
  t.equal(new Set(all).size, all.length)
  t.not(keys.session('x'), keys.session('y'))
})
