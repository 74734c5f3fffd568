import t from 'tap'
import { ownerOf, refusal } from '../../lib/affinity/found.ts'
import type { Location } from '../../lib/directory/directory.ts'

t.test('what is unknown has no owner', async t => {
  const record = { node: 'b' }
  t.equal(ownerOf({ status: 'unknown' }), undefined)
  for (const status of ['misrouted', 'orphaned']) t.equal(ownerOf({ status, record } as Location), 'b')
})

t.test('the log knows whose it is, but of what is unknown to its caller', async t => {
  const err = new Error('why')
  t.strictSame(refusal('misrouted', { owner: 'b', err, data: { node: 'b' }, retryAfter: 2 }), { do: 'refuse', reason: 'misrouted', log: { owner: 'b', err }, data: { node: 'b' }, retryAfter: 2 })
  t.strictSame(refusal('unknown', { owner: 'b' }), { do: 'refuse', reason: 'unknown', log: {} })
  t.strictSame(refusal('orphaned'), { do: 'refuse', reason: 'orphaned', log: {} })
})
