// What a node keeps for its clients, and who is let go of.
import t from 'tap'
import { Unsent } from '../../lib/http/unsent.ts'
import type { Keeper } from '../../lib/http/unsent.ts'
import { until } from '../fixtures/until.ts'

const HOUR = 3_600_000

function holders (unsent: Unsent) {
  const gone: string[] = []
  const holder = (name: string, facts: Partial<Keeper> = {}): Keeper => {
    const it: Keeper = { sole: false, patient: false, letGo: () => { gone.push(name); unsent.release(it) }, ...facts }
    return it
  }
  return { gone, holder }
}

t.test('who keeps most goes first, and no more of them than must', t => {
  const unsent = new Unsent({ most: 100, keepAlive: HOUR })
  const { gone, holder } = holders(unsent)
  unsent.hold(holder('a'), 30)
  unsent.hold(holder('b'), 50)
  const c = holder('c')
  unsent.hold(c, 10)
  unsent.hold(c, 20)
  t.same(gone, [])
  t.equal(unsent.total, 100)
  unsent.hold(c, 21)
  t.same(gone, ['b'])
  t.equal(unsent.total, 51)
  unsent.hold(c, 200)
  t.same(gone, ['b', 'c'], 'also whoever asks for more')
  t.equal(unsent.total, 30)
  t.end()
})

t.test('a single message goes last: alone it may be of any size, with others while there is not twice too much', t => {
  const unsent = new Unsent({ most: 100, keepAlive: HOUR })
  const { gone, holder } = holders(unsent)
  const big = holder('big', { sole: true })
  unsent.hold(big, 1000)
  t.same(gone, [])
  unsent.hold(holder('many'), 1)
  t.same(gone, ['many', 'big'].slice(0, 1))
  unsent.hold(big, 120)
  unsent.hold(holder('second', { sole: true }), 80)
  t.same(gone, ['many'])
  unsent.hold(holder('third', { sole: true }), 1)
  t.same(gone, ['many', 'big'])
  t.end()
})

t.test('first of all goes who does not move', async t => {
  const unsent = new Unsent({ most: 100, keepAlive: 15 })
  const { gone, holder } = holders(unsent)
  const [reading, stopped] = [holder('reading', { patient: true }), holder('stopped', { sole: true, patient: true })]
  unsent.hold(stopped, 20)
  unsent.hold(reading, 70)
  unsent.hold(holder('time'), 10)
  await until('some time has passed', () => gone.length > 0)
  unsent.hold(reading, 80, true)
  unsent.hold(reading, 81)
  t.same(gone, ['time', 'stopped'])
})

t.test('who takes nothing for three intervals is let go of, unless it may wait', async t => {
  const unsent = new Unsent({ most: Infinity, keepAlive: 15 })
  const { gone, holder } = holders(unsent)
  const [stopped, reading, patient] = [holder('stopped'), holder('reading'), holder('patient', { patient: true })]
  for (const one of [stopped, reading, patient]) unsent.hold(one, 1)
  await until('one is gone', () => {
    unsent.hold(reading, 1, true)
    return gone.length > 0
  })
  t.same(gone, ['stopped'])
  unsent.release(reading)
  unsent.release(patient)
  t.equal(unsent.total, 0)
})

t.test('who lets go may hand over to another, and one that never says so is forgotten', t => {
  const unsent = new Unsent({ most: 100, keepAlive: HOUR })
  const { gone, holder } = holders(unsent)
  const heir = holder('heir')
  unsent.hold({ sole: false, patient: false, letGo: () => unsent.hold(heir, 90) }, 101)
  t.equal(unsent.total, 90)
  unsent.hold({ sole: false, patient: false, letGo: () => unsent.hold(heir, 110) }, 95)
  t.same(gone, ['heir'])
  t.equal(unsent.total, 0)
  t.end()
})
