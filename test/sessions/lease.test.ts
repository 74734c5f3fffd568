import t from 'tap'
import { Lease } from '../../lib/sessions/lease.ts'
import type { NodeIdentity } from '../../lib/directory/node.ts'

const LIFE = 4000

function leased () {
  const node: NodeIdentity = { id: 'a', tag: '0123456789abcdef', tags: [], minting: [], stateless: [], unannounced: [], started: 0, incarnation: 'inc', endpoints: {}, epoch: 'inc.0' }
  const clock = { monotonic: 1000, wall: 1_000_000 }
  const lease = new Lease({ node, life: LIFE, clock: () => ({ ...clock }) })
  const pass = (milliseconds: number): void => {
    clock.monotonic += milliseconds
    clock.wall += milliseconds
  }
  return { node, clock, lease, pass }
}

t.test('a lease begins with the first acknowledged beat, under the first epoch', async t => {
  const { lease } = leased()
  t.notOk(lease.running)
  const acknowledged = lease.beating()
  t.notOk(lease.running, 'sent is not acknowledged')
  acknowledged(true)
  t.ok(lease.running, 'nothing was there before us, so nothing has vanished')
  t.ok(lease.holds('inc.0'))
  t.notOk(lease.holds('inc.1'))
  t.notOk(lease.holds(''))
})

t.test('it counts from the moment before the beat was sent', async t => {
  const { lease, pass } = leased()
  const acknowledged = lease.beating()
  pass(LIFE - 1)
  acknowledged(false)
  t.ok(lease.running)
  pass(1)
  t.notOk(lease.running)
})

t.test('a beat in time goes on under the same epoch', async t => {
  const { node, lease, pass } = leased()
  lease.beating()(false)
  for (let i = 0; i < 5; i++) {
    pass(LIFE / 2)
    lease.beating()(false)
  }
  t.ok(lease.holds('inc.0'))
  t.equal(node.epoch, 'inc.0')
})

for (const moved of ['monotonic', 'wall'] as const) {
  t.test(`a pause that only the ${moved} clock saw ends it`, async t => {
    const { lease, clock } = leased()
    lease.beating()(false)
    clock[moved] += LIFE
    t.notOk(lease.running)
  })
}

t.test('a wall clock that is set back does not make it longer', async t => {
  const { lease, clock, pass } = leased()
  lease.beating()(false)
  clock.wall -= 10 * LIFE
  t.ok(lease.running)
  pass(LIFE)
  t.notOk(lease.running)
})

t.test('after a lapse the next beat takes the next epoch, once', async t => {
  const { node, lease, pass } = leased()
  lease.beating()(false)
  pass(LIFE)
  t.equal(node.epoch, 'inc.0', 'not before a beat')
  const acknowledged = lease.beating()
  t.equal(node.epoch, 'inc.1')
  t.notOk(lease.running)
  acknowledged(false)
  t.ok(lease.holds('inc.1'))
  t.notOk(lease.holds('inc.0'), 'a record that names the old epoch proves nothing')
})

t.test('the acknowledgement of a beat under an older epoch extends nothing', async t => {
  const { node, lease, pass } = leased()
  lease.beating()(false)
  const late = lease.beating()
  pass(LIFE)
  const next = lease.beating()
  t.equal(node.epoch, 'inc.1')
  late(false)
  t.notOk(lease.running)
  next(false)
  t.ok(lease.holds('inc.1'))
})

t.test('a key that had vanished is a lapse', async t => {
  const { node, lease } = leased()
  lease.beating()(true)
  lease.beating()(true)
  t.notOk(lease.running)
  lease.beating()(false)
  t.ok(lease.running)
  t.equal(node.epoch, 'inc.1')
})

t.test('the real clocks are the default', async t => {
  const node: NodeIdentity = { id: 'a', tag: '0123456789abcdef', tags: [], minting: [], stateless: [], unannounced: [], started: 0, incarnation: 'inc', endpoints: {}, epoch: 'inc.0' }
  const lease = new Lease({ node, life: 3_600_000 })
  lease.beating()(false)
  t.ok(lease.running)
})
