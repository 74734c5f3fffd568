import t from 'tap'
import { newCounters } from '../lib/counters.ts'

t.test('everything begins at zero, each reason has a count, and nobody counts for another', async t => {
  const [one, other] = [newCounters(['unknown', 'misrouted']), newCounters(['unknown'])]
  t.strictSame(one.refused, { unknown: 0, misrouted: 0 })
  const { ended, refused, ...counts } = one
  for (const [name, count] of Object.entries({ ...counts, ...ended, ...refused })) t.equal(count, 0, name)
  one.opened++
  one.ended.idle++
  one.refused['unknown']!++
  t.strictSame([other.opened, other.ended.idle, other.refused['unknown']], [0, 0, 0])
})
