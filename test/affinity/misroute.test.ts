import t from 'tap'
import { FORMAT } from '../../lib/format.ts'
import { decide } from '../../lib/affinity/misroute.ts'
import type { Policies } from '../../lib/affinity/misroute.ts'
import type { SessionRecord } from '../../lib/directory/record.ts'

const record: SessionRecord = {
  id: '0123456789abcdef.0123456789abcdefghijkl',
  node: 'a',
  epoch: 'e.0',
  createdAt: 0,
  lastSeenAt: 0,
  protocolVersion: '2025-11-25',
  clientInfo: { name: 'c', version: '1' },
  principal: 'ann',
  replay: { initialize: '{}', subscriptions: [] },
  adoptionFailures: 0
}
const misrouted = { status: 'misrouted', record, tag: '0123456789abcdef', url: 'http://a', format: 1 } as const
const orphaned = { status: 'orphaned', record } as const
const letter: Policies = { misroute: 'reject', orphan: 'reject' }
const beyond: Policies = { misroute: 'forward', orphan: 'adopt' }
const ann = { principal: 'ann', hop: false }

t.test('the policies of ADR-0066 refuse, and say why', async t => {
  t.strictSame(decide(misrouted, letter, ann), { do: 'refuse', reason: 'misrouted', data: { node: '0123456789abcdef' } })
  t.strictSame(decide(orphaned, letter, ann), { do: 'refuse', reason: 'orphaned' })
  t.strictSame(decide({ status: 'unknown' }, letter, ann), { do: 'refuse', reason: 'unknown' })
})

t.test('a misrouted session is forwarded, once, to an owner that has a url', async t => {
  t.strictSame(decide(misrouted, beyond, ann), { do: 'forward', url: 'http://a', format: 1, record })
  t.strictSame(decide({ ...misrouted, url: undefined }, beyond, ann), { do: 'refuse', reason: 'misrouted', data: { node: '0123456789abcdef' } })
  t.strictSame(decide(misrouted, beyond, { ...ann, hop: true }), { do: 'refuse', reason: 'not_owner' })
})

t.test('an orphan is adopted, also after a hop, unless it cannot be or has failed three times', async t => {
  t.strictSame(decide(orphaned, beyond, ann), { do: 'adopt', record })
  t.strictSame(decide(orphaned, beyond, { ...ann, hop: true }), { do: 'adopt', record })
  t.equal(decide({ status: 'orphaned', record: { ...record, adoptionFailures: 2 } }, beyond, ann).do, 'adopt')
  const paused = { status: 'orphaned', record: { ...record, adoptionFailures: 2, adoptionPause: 1001 } } as const
  t.strictSame(decide(paused, beyond, ann), { do: 'refuse', reason: 'adoption_failed', retryAfter: 2 })
  t.strictSame(decide(paused, beyond, { ...ann, hop: true }), { do: 'refuse', reason: 'not_owner' })
  t.strictSame(decide(paused, letter, ann), { do: 'refuse', reason: 'orphaned' })
  t.strictSame(decide({ status: 'orphaned', record: { ...record, adoptionFailures: 3 } }, beyond, ann), { do: 'refuse', reason: 'orphaned' })
  t.strictSame(decide({ status: 'orphaned', record: { ...record, replay: undefined } }, beyond, ann), { do: 'refuse', reason: 'orphaned' })
})

t.test('an orphan whose record is for newer nodes is left to them', async t => {
  const newer = { status: 'orphaned', record: { ...record, replay: undefined, reader: FORMAT + 1 } } as const
  t.strictSame(decide(newer, beyond, ann), { do: 'defer', record: newer.record, reader: FORMAT + 1 })
  t.strictSame(decide(newer, beyond, { ...ann, hop: true }), { do: 'refuse', reason: 'not_owner' })
  t.strictSame(decide(newer, letter, ann), { do: 'refuse', reason: 'orphaned' }, 'where nobody adopts, it is gone for all')
  t.strictSame(decide(newer, beyond, { principal: 'bob', hop: false }), { do: 'refuse', reason: 'unknown' })
  t.equal(decide({ ...misrouted, record: newer.record }, beyond, ann).do, 'forward', 'its owner knows what to do with it')
  t.equal(decide({ ...orphaned, record: { ...record, reader: FORMAT } }, beyond, ann).do, 'adopt')
})

t.test('another principal\'s session is unknown, wherever it is', async t => {
  for (const policies of [letter, beyond]) {
    for (const location of [misrouted, orphaned]) {
      for (const principal of ['bob', undefined]) {
        t.strictSame(decide(location, policies, { principal, hop: false }), { do: 'refuse', reason: 'unknown' })
        t.strictSame(decide(location, policies, { principal, hop: true }), { do: 'refuse', reason: 'not_owner' })
      }
    }
  }
})
