import t from 'tap'
import { Calls } from '../../../lib/transport/calls/calls.ts'
import type { PostAnswer } from '../../../lib/transport/calls/post-answer.ts'
import { notification, request, result } from '../../fixtures/wired-transport.ts'

const ANSWER = {} as PostAnswer

t.test('an id is in use while it is in flight, or twice at once', async t => {
  const calls = new Calls([[1, ANSWER]])
  t.equal(calls.inUse([request(1)]), 1)
  t.equal(calls.inUse([request('1')]), undefined)
  t.equal(calls.inUse([request(2), request(3)]), undefined)
  t.equal(calls.inUse([request(2), request(1)]), 1)
  t.equal(calls.inUse([request(2), request(2)]), 2)
  t.equal(calls.inUse([result(1), notification('n')]), undefined, 'an answer is no call')
  calls.delete(1)
  t.equal(calls.inUse([request(1)]), undefined)
})

t.test('idle is when the last has gone', async t => {
  const calls = new Calls()
  await calls.idle()
  calls.set(1, ANSWER).set(2, ANSWER)
  const told: string[] = []
  const waits = Promise.all(['a', 'b'].map(async name => {
    await calls.idle()
    told.push(name)
  }))
  t.equal(calls.delete(1), true)
  t.equal(calls.delete(1), false)
  await new Promise(resolve => { setImmediate(resolve) })
  t.strictSame(told, [])
  calls.delete(2)
  await waits
  t.strictSame(told, ['a', 'b'])
})
