import t from 'tap'
import { SessionLog } from '../../lib/http/session-log.ts'
import { newSessionId } from '../../lib/session-id.ts'
import { keptLog } from '../fixtures/log.ts'

t.test('each line names its session, and none has the whole id', async t => {
  const id = newSessionId('0123456789abcdef')
  const kept = keptLog()
  const log = new SessionLog(kept, id)
  log.debug('one')
  log.warn('two', { more: 1 })
  log.error('three')
  t.strictSame(kept.lines.map(({ level, message }) => [level, message]), [['debug', 'one'], ['warn', 'two'], ['error', 'three']])
  t.equal(kept.lines[1]!.fields['more'], 1)
  for (const { fields: { session } } of kept.lines) t.match(session, /^[\w-]{12}$/)
})
