import t from 'tap'
import { cancelled, failure, isRequest, sessionEnded } from '../../lib/transport/messages.ts'
import { parseMessages } from '../../lib/transport/parse.ts'
import { notification, request, result } from '../fixtures/wired-transport.ts'

t.test('a request has a method and an id', async t => {
  t.strictSame([request(0), request('a'), notification('n'), result(1), failure(1, 'no')].map(isRequest), [true, true, false, false, false])
})

t.test('the answers of our own are valid, and each has its code', async t => {
  const answers = [failure(1, 'no'), sessionEnded('a'), cancelled(0)]
  for (const answer of answers) t.notOk('invalid' in parseMessages(answer))
  t.strictSame(answers.map(({ id, error: { code } }) => [id, code]), [[1, -32603], ['a', -32000], [0, -32800]])
  t.strictSame(sessionEnded('a').error.data, { reason: 'session_ended' }, 'by which a client knows it')
})
