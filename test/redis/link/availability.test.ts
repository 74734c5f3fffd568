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
