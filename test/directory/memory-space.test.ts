import t from 'tap'
import { ADOPTION_PAUSES } from '../../lib/directory/adoption-pauses.ts'
import { isAsSeen, pauseOf, shown, statusOf, type MemoryRecord } from '../../lib/directory/memory-space.ts'
import { FORMAT } from '../../lib/format.ts'
import { FakeNode, identity } from '../fixtures/directory-node.ts'

const record: MemoryRecord = { id: 'x', node: 'a', epoch: 'e.1', createdAt: 0, lastSeenAt: 0, protocolVersion: '', clientInfo: { name: '', version: '' }, adoptionFailures: 0 }

t.test('a record is as it was seen while its owner, epoch and release are', async t => {
  t.equal(isAsSeen(record, record), true)
  t.equal(isAsSeen({ ...record, node: 'b' }, record), false)
  t.equal(isAsSeen({ ...record, epoch: 'e.2' }, record), false)
  t.equal(isAsSeen({ ...record, released: true }, record), true, 'given up since: it may be had')
  t.equal(isAsSeen(record, { ...record, released: true }), false, 'taken back since')
})

t.test('a failed adoption is followed by a pause, which is all that others see of its time', async t => {
  const { now } = performance
  t.teardown(() => { performance.now = now })
  performance.now = () => 10_000
  t.equal(pauseOf({ ...record, adoptionFailures: 1 }), 0, 'that was before there were times')
  const failed = { ...record, adoptionFailures: 1, failedAt: 9000 }
  t.equal(pauseOf(failed), ADOPTION_PAUSES[0]! - 1000)
  t.strictSame(shown(failed), { ...record, adoptionFailures: 1, adoptionPause: ADOPTION_PAUSES[0]! - 1000 })
})

t.test('others see of a node what it takes; of one that drains, that it takes nothing', async t => {
  const local = new FakeNode(identity('a'))
  const { id, tag, url } = local.identity
  const up = statusOf({ node: local.identity, local })
  t.strictSame(up, { id, url, tag, state: 'up', sessions: 0, room: local.room, format: FORMAT, endpoints: { default: '' } })
  local.draining = true
  t.strictSame(statusOf({ node: local.identity, local }), { ...up, state: 'draining', room: 0 })
})
