import t from 'tap'
import type { Test } from 'tap'
import { Doubt } from '../../lib/shared-directory/doubt.ts'

const LIFE = 100

function setUp (t: Test) {
  const { now } = performance
  let time = 5000
  performance.now = () => time
  t.teardown(() => { performance.now = now })
  return { doubt: new Doubt(LIFE), now: () => time, pass (milliseconds: number) { time += milliseconds } }
}

t.test('a doubt lasts one life from when it was raised last', async t => {
  const { doubt, pass } = setUp(t)
  t.equal(doubt.left, 0)
  doubt.raise()
  t.equal(doubt.left, LIFE)
  pass(60)
  t.equal(doubt.left, 40)
  doubt.raise()
  pass(99)
  t.equal(doubt.left, 1)
  pass(1)
  t.equal(doubt.left, 0)
})

t.test('while writes are refused there is no end of it, and then one life more', async t => {
  const { doubt, pass } = setUp(t)
  t.equal(doubt.accept(), false, 'nothing was refused')
  t.equal(doubt.left, 0)
  doubt.refuse()
  pass(10 * LIFE)
  t.equal(doubt.refused, true)
  t.equal(doubt.left, LIFE)
  t.equal(doubt.accept(), true)
  t.equal(doubt.refused, false)
  t.equal(doubt.left, LIFE)
  pass(LIFE)
  t.equal(doubt.left, 0)
})

t.test('a node whose beats are not acknowledged doubts that the others\' are', async t => {
  const { doubt, now, pass } = setUp(t)
  doubt.beaten(now())
  pass(LIFE)
  t.equal(doubt.left, 0)
  pass(1)
  t.equal(doubt.left, LIFE)
  doubt.beaten(now())
  t.equal(doubt.left, 0)
})

t.test('what was asked in doubt is in doubt when the answer comes', async t => {
  const { doubt, now, pass } = setUp(t)
  const before = now()
  doubt.raise()
  pass(LIFE - 1)
  const asked = now()
  pass(1)
  t.equal(doubt.left, 0)
  t.equal(doubt.since(before), true)
  t.equal(doubt.since(asked), true)
  t.equal(doubt.since(now()), false)
  doubt.refuse()
  t.equal(doubt.since(now()), true)
})
