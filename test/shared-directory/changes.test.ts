import t from 'tap'
import type { Test } from 'tap'
import { Changes } from '../../lib/shared-directory/changes.ts'
import { until } from '../fixtures/until.ts'

/** A clock that stands until the test moves it. */
function clock (t: Test): { pass: (milliseconds: number) => void } {
  const { now } = performance
  let time = 5000
  performance.now = () => time
  t.teardown(() => { performance.now = now })
  return { pass (milliseconds) { time += milliseconds } }
}

t.test('the first change is due at once, the next when its second is over', async t => {
  const { pass } = clock(t)
  const changes = new Changes(() => {})
  t.teardown(() => changes.stop())
  changes.add('a')
  t.strictSame(changes.due(), ['a'])
  t.equal(changes.take('a'), true)
  t.equal(changes.take('a'), false, 'there is none any more')
  changes.add('a')
  changes.add('b')
  pass(999)
  t.strictSame(changes.due(), ['b'])
  pass(1)
  t.strictSame(changes.due(), ['a', 'b'])
})

t.test('changes of one turn are written once', async t => {
  let writes = 0
  const changes = new Changes(() => {
    writes++
    for (const id of changes.due()) changes.take(id)
  })
  t.teardown(() => changes.stop())
  changes.add('a')
  changes.add('b')
  t.equal(writes, 0)
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(writes, 1)
  changes.add('a')
  t.equal(changes.has('a'), true)
  await until('it is written again', () => !changes.has('a'))
})

t.test('what could not be written waits for the next turn', async t => {
  const { pass } = clock(t)
  const changes = new Changes(() => {})
  t.teardown(() => changes.stop())
  changes.add('a')
  changes.take('a')
  changes.giveBack('a')
  t.strictSame(changes.due(), [])
  pass(1000)
  t.strictSame(changes.due(), ['a'])
})

t.test('a session that is forgotten has no changes, and no past', async t => {
  clock(t)
  const changes = new Changes(() => {})
  t.teardown(() => changes.stop())
  changes.add('a')
  changes.take('a')
  changes.add('a')
  changes.forget('a')
  t.equal(changes.has('a'), false)
  changes.add('a')
  t.strictSame(changes.due(), ['a'])
})
