import t from 'tap'
import { ADOPTION_PAUSES, adoptionPause, isAbandoned } from '../../lib/directory/adoption-pauses.ts'

t.test('each failure but the last has a pause after it, of which time is taken off', async t => {
  const [first, second] = ADOPTION_PAUSES as [number, number]
  t.strictSame([0, 1, 2, 3].map(failures => adoptionPause(failures)), [0, first, second, 0])
  t.ok(second > first)
  t.equal(adoptionPause(1, first - 1), 1)
  t.equal(adoptionPause(1, first + 1), 0)
  t.equal(adoptionPause(1, -1), first, 'a clock that was set back makes it no longer')
})

t.test('one failure more than there are pauses is the last', async t => {
  t.strictSame([0, 1, 2, 3, 4].map(isAbandoned), [false, false, false, true, true])
})
