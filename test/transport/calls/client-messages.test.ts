import t from 'tap'
import { receiveAnswer, receiveNotification, type ClientMessagesHost } from '../../../lib/transport/calls/client-messages.ts'
import type { PostAnswer } from '../../../lib/transport/calls/post-answer.ts'
import { ServerRequests } from '../../../lib/transport/calls/server-requests.ts'
import { MessageExtra } from '../../../lib/transport/extra.ts'
import { HTTP, notification, request, result } from '../../fixtures/wired-transport.ts'

const EXTRA = new MessageExtra(HTTP, undefined)

function setUp ({ asked }: { asked?: ServerRequests } = {}) {
  const delivered: unknown[] = []
  const dropped: string[] = []
  const cancelled: unknown[] = []
  const answer = (initialize: boolean): PostAnswer => ({ initialize, cancel: (id: unknown) => cancelled.push(id) }) as unknown as PostAnswer
  const host: ClientMessagesHost = {
    calls: new Map([[0, answer(true)], [1, answer(false)]]),
    asked,
    deliver: message => delivered.push(message) > 0,
    dropped: what => { dropped.push(what) }
  }
  return { host, delivered, dropped, cancelled }
}

const cancel = (params: object) => notification('notifications/cancelled', params as Record<string, unknown>)

t.test('a call that is cancelled is over, and the server hears of it', async t => {
  const { host, delivered, cancelled } = setUp()
  const message = cancel({ requestId: 1, reason: 'enough' })
  receiveNotification(host, message, EXTRA)
  t.strictSame([delivered, cancelled, [...host.calls.keys()]], [[message], [1], [0]])
})

t.test('initialize cannot be cancelled, and what the SDK ignores cancels nothing', async t => {
  const { host, delivered, dropped, cancelled } = setUp()
  receiveNotification(host, cancel({ requestId: 0 }), EXTRA)
  t.strictSame([delivered.length, dropped.length], [0, 1])
  for (const params of [{ requestId: 1, reason: 5 }, { requestId: 9 }, {}]) receiveNotification(host, cancel(params), EXTRA)
  receiveNotification(host, { jsonrpc: '2.0', method: 'notifications/cancelled' }, EXTRA)
  t.strictSame([delivered.length, cancelled, host.calls.size], [4, [], 2])
})

t.test('progress has the server\'s own token, where it is one of its', async t => {
  const asked = new ServerRequests('ep')
  const { host, delivered } = setUp({ asked })
  const wire = asked.outbound(request(5)).id
  for (const progressToken of [wire, 'other']) receiveNotification(host, notification('notifications/progress', { progressToken }), EXTRA)
  t.strictSame(delivered, [notification('notifications/progress', { progressToken: 5 }), notification('notifications/progress', { progressToken: 'other' })])
  const silent = setUp()
  receiveNotification(silent.host, notification('notifications/progress', { progressToken: wire }), EXTRA)
  t.match(silent.delivered, [{ params: { progressToken: wire } }])
})

t.test('an answer goes to who has asked, once', async t => {
  const asked = new ServerRequests('ep')
  const { host, delivered, dropped } = setUp({ asked })
  const { id } = asked.outbound(request(5))
  receiveAnswer(host, result(id), EXTRA)
  t.equal(dropped.length, 1, 'it was not sent yet')
  asked.sent(5, undefined)
  receiveAnswer(host, result(id), EXTRA)
  receiveAnswer(host, result(id), EXTRA)
  t.strictSame([delivered, dropped.length], [[result(5)], 2])
  const silent = setUp()
  receiveAnswer(silent.host, result(5), EXTRA)
  t.strictSame([silent.delivered, silent.dropped.length], [[], 1])
})
