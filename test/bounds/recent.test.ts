import t from 'tap'
import { Recent } from '../../lib/bounds/recent.ts'

t.test('the oldest makes room, and a key that comes up again is not the oldest any more', async t => {
  const recent = new Recent(2)
  recent.add('a')
  recent.add('b')
  t.ok(recent.has('a'), 'to be asked for does not make it younger')
  recent.add('c')
  t.strictSame(['a', 'b', 'c'].filter(key => recent.has(key)), ['b', 'c'])
  recent.add('b')
  recent.add('d')
  t.strictSame(['b', 'c', 'd'].filter(key => recent.has(key)), ['b', 'd'])
  recent.delete('b')
  t.notOk(recent.has('b'))
})

t.test('a key is forgotten when its life is over, by a clock that is read at once', async t => {
  const { now } = performance
  let time = 1000
  performance.now = () => time
  t.teardown(() => { performance.now = now })
  const recent = new Recent(10, 99.5)
  recent.add('a')
  time += 60
  t.ok(recent.has('a'))
  recent.add('b')
  recent.add('a')
  time += 60
  t.ok(recent.has('a'), 'its life has begun anew')
  time += 41
  t.notOk(recent.has('a'))
  t.notOk(recent.has('b'))
  recent.add('a')
  t.ok(recent.has('a'))
})
