import t from 'tap'
import type { NodeState } from '../../../lib/redis/nodes/node-state.ts'
import { OwnerBeats } from '../../../lib/redis/nodes/owner-beats.ts'
import { until } from '../../fixtures/until.ts'

const HOUR = 3_600_000

function setUp (t: { teardown: (end: () => void) => void }) {
  // Waits alone keep no process alive.
  const alive = setInterval(() => {}, 1000)
  const failures: unknown[] = []
  const there: { now: Partial<NodeState> | undefined | Error, reads: number, doubt: number } = { now: { epoch: 'e', raw: '1' }, reads: 0, doubt: 0 }
  const beats = new OwnerBeats({
    registry: {
      read: async () => {
        there.reads++
        if (there.now instanceof Error) throw there.now
        return there.now as NodeState | undefined
      }
    },
    doubt: { get left () { return there.doubt } },
    heartbeat: 4,
    onFailed: err => failures.push(err)
  })
  t.teardown(() => {
    beats.stop()
    clearInterval(alive)
  })
  const wait = (bound = HOUR, epoch = 'e') => {
    const waiter = { over: false, done: Promise.resolve() }
    waiter.done = beats.wait({ node: 'a', epoch }, bound).then(() => { waiter.over = true })
    return waiter
  }
  const look = () => {
    const { reads } = there
    return until('there were two more looks', () => there.reads >= reads + 2)
  }
  return { beats, failures, there, wait, look }
}

t.test('an owner that beats, or has another epoch, is not waited for any longer', async t => {
  for (const next of [{ epoch: 'e', raw: '2' }, { epoch: 'f', raw: '1' }]) {
    const { there, wait, look } = setUp(t)
    const waiter = wait()
    await look()
    t.equal(waiter.over, false)
    there.now = next
    await waiter.done
  }
  const { wait } = setUp(t)
  await wait(HOUR, 'before').done
})

t.test('one that is gone is, unless its heartbeat may have been lost with the rest', async t => {
  const { there, wait, look } = setUp(t)
  there.now = undefined
  there.doubt = 5
  const waiter = wait()
  await look()
  t.equal(waiter.over, false)
  there.doubt = 0
  await waiter.done
})

t.test('all who wait for one share its reads, and each has a bound', async t => {
  const { beats, there, wait, look } = setUp(t)
  const [long, short] = [wait(), wait(1)]
  await short.done
  t.equal(there.reads, 1)
  await look()
  t.equal(long.over, false)
  beats.stop()
  await long.done
})

t.test('a look that fails is told, and is not the last', async t => {
  const { failures, there, wait, look } = setUp(t)
  there.now = new Error('away')
  const waiter = wait()
  await look()
  t.equal(waiter.over, false)
  t.ok(failures.length > 0)
  there.now = { epoch: 'f', raw: '1' }
  await waiter.done
})
