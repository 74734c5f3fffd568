import t from 'tap'
import { NoAnswer, bounded } from '../../../lib/redis/link/bounded.ts'
import type { Breaker } from '../../../lib/redis/link/breaker.ts'
import { until } from '../../fixtures/until.ts'

const LONG = 60_000

/** A breaker that waits as long for a server as the test says. */
function setUp (patience = 1) {
  const told: unknown[] = []
  const breaker = {
    patience: () => patience,
    answered: () => told.push('answered'),
    failed: (_command: unknown, why: string) => told.push(['failed', why]),
    overdue: (_command: unknown, after: number) => told.push(['overdue', after])
  } as unknown as Breaker
  return { told, breaker }
}

const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })

t.test('an answer in time is the answer', async t => {
  const { told, breaker } = setUp()
  t.equal(await bounded(Promise.resolve('a'), LONG, breaker), 'a')
  t.strictSame(told, ['answered'])
})

t.test('an error is one where the server serves, else it has not answered', async t => {
  for (const message of ['ERR wrong', 'WRONGTYPE of another', 'NOPERM']) {
    const { told, breaker } = setUp()
    await t.rejects(bounded(Promise.reject(reply(message)), LONG, breaker), { name: 'ReplyError', message })
    t.strictSame(told, ['answered'])
  }
  for (const error of [reply('LOADING it'), reply('CLUSTERDOWN it is'), reply('BUSY it is'), reply('MASTERDOWN it is'), new Error('Connection is closed.')]) {
    const { told, breaker } = setUp()
    const failure = await bounded(Promise.reject(error), LONG, breaker).then(() => undefined, failure => failure)
    t.ok(failure instanceof NoAnswer)
    t.strictSame(told, [['failed', error.message]])
  }
})

t.test('who waits no longer hears no answer, and the breaker what comes of it later', async t => {
  const { told, breaker } = setUp()
  let answer = (_text: string): void => {}
  const command = new Promise<string>(resolve => { answer = resolve })
  await t.rejects(bounded(command, 1, breaker), { message: 'no answer within 1 ms' })
  t.strictSame(told, [['overdue', 1]])
  answer('late')
  await until('it is told', () => told.length === 2)
  t.equal(told[1], 'answered')
})

t.test('a server that is known to be slow gets its time, while its caller does not wait', async t => {
  const { told, breaker } = setUp(20)
  await t.rejects(bounded(new Promise(() => {}), 1, breaker), { message: 'no answer within 1 ms' })
  t.strictSame(told, [])
  await until('it is overdue', () => told.length > 0)
  t.strictSame(told, [['overdue', 20]])
})
