import t from 'tap'
import { decide } from '../../lib/affinity/misroute.ts'
import type { SessionRecord } from '../../lib/sessions/directory.ts'

const record: SessionRecord = { id: 'x', node: 'n', epoch: 'e', createdAt: 0, lastSeenAt: 0, protocolVersion: '2025-11-25', clientInfo: { name: 'c', version: '1' }, principal: 'p' }

t.test('the owner learns where its session stands', async t => {
  t.same(decide({ status: 'misrouted', record, tag: 'abc', url: 'http://10.0.0.1' }, 'p'), { do: 'refuse', reason: 'misrouted', data: { node: 'abc' } })
  t.same(decide({ status: 'orphaned', record }, 'p'), { do: 'refuse', reason: 'orphaned' })
  t.same(decide({ status: 'unknown' }, 'p'), { do: 'refuse', reason: 'unknown' })
})

t.test('to anybody else it is unknown', async t => {
  for (const principal of ['q', undefined]) {
    t.same(decide({ status: 'misrouted', record, tag: 'abc' }, principal), { do: 'refuse', reason: 'unknown' })
    t.same(decide({ status: 'orphaned', record }, principal), { do: 'refuse', reason: 'unknown' })
  }
})
