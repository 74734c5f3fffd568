import t from 'tap'
import { AnswerWait } from '../../../lib/transport/calls/answer-wait.ts'
import { until } from '../../fixtures/until.ts'

t.test('answers are told once, in the order they began, and not when they are done', async t => {
  const waits = new AnswerWait(8)
  const told: string[] = []
  const answer = (name: string) => ({ waitingSince: 0, waited: () => { told.push(name) } })
  const done = answer('done')
  waits.add(answer('a'))
  waits.add(done)
  waits.add(answer('b'))
  waits.delete(done)
  await until('both are told', () => told.length === 2)
  waits.add(answer('c'))
  await until('the next is told', () => told.length === 3)
  t.same(told, ['a', 'b', 'c'])
})
