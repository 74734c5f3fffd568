import t from 'tap'
import { Few } from '../../lib/metrics/few.ts'

t.test('so many names are known, and the others are one', async t => {
  const few = new Few(2)
  t.equal(few.known('a'), '_OTHER', 'nobody has admitted it')
  t.equal(few.known(undefined), '_OTHER')
  t.equal(few.admit('a'), 'a')
  t.equal(few.admit('a'), 'a')
  t.equal(few.admit('b'), 'b')
  t.equal(few.admit('c'), '_OTHER')
  t.equal(few.known('c'), '_OTHER')
  t.equal(few.known('b'), 'b')
})
