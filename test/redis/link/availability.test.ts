// What the log says of a Redis in trouble.
import t from 'tap'
import { Availability } from '../../../lib/redis/link/availability.ts'
import { keptLog } from '../../fixtures/log.ts'

t.test('what Redis refuses is said once, without the command, which names the session', async t => {
  const log = keptLog()
  const availability = new Availability(log)
  const refusal = (): Error => Object.assign(new Error('OOM command not allowed'), { command: { name: 'evalsha', args: ['mcp:session:secret'] } })
  availability.failed(refusal())
  availability.failed(refusal())
  t.match(log.lines, [{ level: 'warn', fields: { why: /OOM command not allowed/ } }])
  t.equal(log.lines.length, 1)
  t.notMatch(JSON.stringify(log.lines), /secret/)
})

t.test('an outage says where Redis is', async t => {
  const log = keptLog()
  new Availability(log, undefined, () => '10.0.0.9:6379').lost('silence')
  t.match(log.lines, [{ level: 'warn', fields: { why: 'silence', redis: '10.0.0.9:6379' } }])
})

t.test('an outage lasts while Redis does not answer or refuses what is written, and counts once', async t => {
  const availability = new Availability(keptLog())
  const now = () => [availability.up, availability.outages]
  t.strictSame(now(), [true, 0])
  availability.lost('silence')
  availability.refused(new Error('READONLY'))
  t.strictSame(now(), [false, 1])
  availability.regained()
  t.strictSame(now(), [false, 1], 'it refuses')
  availability.accepted()
  t.strictSame(now(), [true, 1])
  availability.lost('silence')
  t.strictSame(now(), [false, 2])
})
