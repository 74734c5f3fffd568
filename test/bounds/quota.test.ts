import t from 'tap'
import { Quota } from '../../lib/bounds/quota.ts'

t.test('so many each, and what is given back can be taken again', async t => {
  const quota = new Quota(2)
  t.strictSame([quota.take('a'), quota.take('a'), quota.take('a'), quota.take('b')], [true, true, false, true])
  quota.give('a')
  t.equal(quota.take('a'), true)
  t.strictSame([quota.of('a'), quota.of('b'), quota.of('c')], [2, 1, 0])
  for (const who of ['a', 'a', 'b', 'b']) quota.give(who)
  t.strictSame([quota.of('a'), quota.of('b')], [0, 0])
})

t.test('no limit', async t => {
  const quota = new Quota(Infinity)
  for (let i = 0; i < 1000; i++) t.equal(quota.take('a'), true)
})
