import t from 'tap'
import { OwnerCache, type Misrouted } from '../../lib/shared-directory/owner-cache.ts'

const MOST = 10_000

function owned (id: string): Misrouted {
  const record = { id, node: 'b', epoch: 'b.0', createdAt: 0, lastSeenAt: 0, protocolVersion: '', clientInfo: { name: '', version: '' }, adoptionFailures: 0 }
  return { status: 'misrouted', record: { ...record, replay: { initialize: '{}', subscriptions: [] }, state: '{}' }, tag: 'b', url: 'http://b', format: 1 }
}

t.test('the owner that nobody has asked for the longest makes room', async t => {
  const cache = new OwnerCache()
  const find = (id: string) => cache.find(id, () => new Map(), false)
  for (let i = 0; i < MOST; i++) cache.remember(owned(`s${i}`))
  t.equal(find('s0')?.sure, false)
  cache.remember(owned('one more'))
  t.ok(find('s0'), 'it was asked for')
  t.notOk(find('s1'))
  t.ok(find('s2'))
  cache.forget('s2')
  t.notOk(find('s2'))
})

t.test('what only an adopter needs is not remembered', async t => {
  const cache = new OwnerCache()
  cache.remember(owned('s'))
  const { record } = cache.find('s', () => new Map(), false)!.owner
  t.notOk('replay' in record || 'state' in record)
})

t.test('it counts whether the owner was known for sure', async t => {
  const cache = new OwnerCache()
  const look = (epoch: string, state: 'up' | 'draining') => () => new Map([['b', { epoch, state }]])
  cache.find('s', look('b.0', 'up'), false)
  t.strictSame(cache.asked, { hit: 0, miss: 1 }, 'nobody remembers it')
  cache.remember(owned('s'))
  cache.find('s', look('b.0', 'up'), false)
  t.strictSame(cache.asked, { hit: 1, miss: 1 })
  cache.find('s', look('b.0', 'draining'), false)
  t.strictSame(cache.asked, { hit: 1, miss: 2 }, 'it is worth another look')
  cache.find('s', look('b.1', 'up'), false)
  t.strictSame(cache.asked, { hit: 1, miss: 3 }, 'its epoch is over')
})
