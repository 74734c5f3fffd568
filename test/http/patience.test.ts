import t from 'tap'
import type { Test } from 'tap'
import { wait } from '../../lib/http/patience.ts'

const PART = 1
const BOUND = 10 * PART

/** Each look at the clock finds it `PART` further, or as much as the test says for that look; how often there was one. */
function clock (t: Test, further: (look: number) => number = () => PART) {
  const { now } = performance
  let looks = 0
  let time = 0
  performance.now = () => (time += further(looks++))
  // A wait alone keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => {
    performance.now = now
    clearInterval(alive)
  })
  // The first is at the beginning.
  return () => looks - 1
}

t.test('a wait without a stall is over in its parts', async t => {
  const looks = clock(t)
  t.equal(await new Promise(resolve => wait(BOUND, resolve)), true)
  t.equal(looks(), 10)
})

t.test('a stall begins it anew', async t => {
  const looks = clock(t, look => look === 7 ? 10_000 : PART)
  t.equal(await new Promise(resolve => wait(BOUND, resolve)), true)
  t.equal(looks(), 17)
})

t.test('a process that stalls again and again cannot say', async t => {
  const looks = clock(t, () => 10_000)
  t.equal(await new Promise(resolve => wait(BOUND, resolve)), false)
  t.equal(looks(), 5)
})

t.test('a wait that was ended is over for good', async t => {
  const looks = clock(t)
  let over = false
  const stop = wait(BOUND, () => { over = true })
  stop()
  await new Promise(resolve => wait(BOUND, resolve))
  t.equal(over, false)
  t.equal(looks(), 11, 'the other has looked alone')
})
