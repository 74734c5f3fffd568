import t from 'tap'
import type { Test } from 'tap'
import { TouchThrottle } from '../../lib/shared-directory/touch-throttle.ts'

function setUp (t: Test) {
  const { now } = performance
  let time = 5000
  performance.now = () => time
  t.teardown(() => { performance.now = now })
  return { touches: new TouchThrottle(), pass (seconds: number) { time += seconds * 1000 } }
}

t.test('a touch is due every two minutes, each session by itself', async t => {
  const { touches, pass } = setUp(t)
  t.equal(touches.due('a'), true)
  pass(60)
  t.equal(touches.due('b'), true)
  pass(59)
  t.strictSame([touches.due('a'), touches.due('b')], [false, false])
  pass(1)
  t.strictSame([touches.due('a'), touches.due('b')], [true, false])
  t.equal(touches.due('a'), false, 'the time has begun anew')
})

t.test('a record that was written for another reason needs no touch', async t => {
  const { touches, pass } = setUp(t)
  touches.written('a')
  t.equal(touches.due('a'), false)
  pass(119)
  touches.written('a')
  pass(119)
  t.equal(touches.due('a'), false)
  pass(1)
  t.equal(touches.due('a'), true)
})

t.test('of a session that is forgotten the next touch is due', async t => {
  const { touches } = setUp(t)
  touches.written('a')
  touches.forget('a')
  t.equal(touches.due('a'), true)
})
