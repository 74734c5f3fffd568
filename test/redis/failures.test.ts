import t from 'tap'
import { Failures } from '../../lib/redis/failures.ts'
import { Availability } from '../../lib/redis/link/availability.ts'
import { NoAnswer } from '../../lib/redis/link/bounded.ts'
import { Doubt } from '../../lib/shared-directory/doubt.ts'
import { keptLog } from '../fixtures/log.ts'

function setUp () {
  const log = keptLog()
  const doubt = new Doubt(3_600_000)
  return { log, doubt, failures: new Failures({ availability: new Availability(log as never), doubt }) }
}

const refusal = Object.assign(new Error('READONLY You can\'t write'), { name: 'ReplyError' })

t.test('what Redis refuses is said and raises doubt; that it does not answer is said elsewhere', async t => {
  const { log, doubt, failures } = setUp()
  failures.failed(new NoAnswer('no answer'))
  t.strictSame([doubt.left, log.lines.length], [0, 0])
  failures.failed(refusal)
  t.ok(doubt.left > 0)
  t.equal(log.lines.length, 1)
})

t.test('while beats are refused nothing of ours is written, until one is taken', async t => {
  const { log, doubt, failures } = setUp()
  failures.beatTaken()
  failures.beatFailed(new NoAnswer('no answer'))
  t.strictSame([doubt.refused, log.lines.length], [false, 0])
  failures.beatFailed(refusal)
  failures.beatFailed(refusal)
  t.strictSame([doubt.refused, log.lines.length], [true, 1])
  failures.beatTaken()
  failures.beatTaken()
  t.strictSame([doubt.refused, log.lines.length], [false, 2])
})

t.test('whose failures are told raises doubt all the same, without a line', async t => {
  const { log, doubt, failures } = setUp()
  t.equal(await failures.noting(Promise.resolve(1)), 1)
  await t.rejects(failures.noting(Promise.reject(new NoAnswer('no answer'))), { message: 'no answer' })
  t.equal(doubt.left, 0)
  await t.rejects(failures.noting(Promise.reject(refusal)), { message: refusal.message })
  t.ok(doubt.left > 0)
  t.equal(log.lines.length, 0)
})

t.test('what nobody waits for fails in the log alone', async t => {
  const { log, failures } = setUp()
  t.equal(await failures.attempt(Promise.resolve(1)), 1)
  t.equal(await failures.attempt(Promise.reject(refusal)), undefined)
  t.equal(log.lines.length, 1)
})
