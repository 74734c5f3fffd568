import { createRequire } from 'node:module'
import t from 'tap'
import { keySlot } from '../../../lib/redis/link/slot.ts'

/** What ioredis itself computes slots with. */
const require = createRequire(createRequire(import.meta.url).resolve('ioredis'))
const calculateSlot: (key: string) => number = require('cluster-key-slot')

t.test('slots are those that Redis computes', async t => {
  t.equal(keySlot('123456789'), 12739, 'the example of the Redis Cluster specification')
  for (const key of ['', 'mcp:session:abc', 'a{b}c', 'a{}c', 'a{b', 'a}b{c}', '{{x}}', 'ключ', 'mcp:node:host-1:sessions']) {
    t.equal(keySlot(key), calculateSlot(key), key)
  }
})
