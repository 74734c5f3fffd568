// The server's requests to the client: ids of our own, and every way they come back.
import t from 'tap'
import { notification, request, result, wiredTransport } from '../../fixtures/wired-transport.ts'

t.test('a request travels under our id, on the stream of its call, and its answer under the server\'s', async t => {
  const { transport, post, open, received } = wiredTransport()
  await open()
  const exchange = post(request(7))
  const asked = Object.freeze(request(0, 'elicitation/create', { message: '?' }))
  await transport.send(asked, { relatedRequestId: 7 })
  t.same(exchange.messages, [request('ep-1-0', 'elicitation/create', { message: '?' })])
  t.equal(post(result('ep-1-0', { action: 'accept' })).answered, 'accepted')
  t.same(received.at(-1), result(0, { action: 'accept' }))
  await transport.send({ ...asked, id: 1 }, { relatedRequestId: 7 })
  post({ jsonrpc: '2.0', id: 'ep-1-1', error: { code: -1, message: 'no' } })
  t.same(received.at(-1), { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'no' } })
})

t.test('an answer to no open question is accepted, dropped, and logged at debug', async t => {
  const { transport, post, open, received, log } = wiredTransport()
  await open()
  const call = post(request(7))
  await transport.send(request(0, 'roots/list'), { relatedRequestId: 7 })
  received.length = 0
  for (const id of ['ep-0-0', 'ep-1-1', 'ep-1-', 'ep-1-x', 'ep-1-{}', '0', 0]) {
    t.equal(post(result(id)).answered, 'accepted', String(id))
    t.match(log.lines.at(-1), { level: 'debug', message: 'an answer to no open question was dropped' })
  }
  post({ jsonrpc: '2.0', error: { code: -1, message: 'no id' } })
  t.same(received, [])
  post(result('ep-1-0'))
  post(result('ep-1-0'))
  t.same(received, [result(0)], 'answers count once')
  t.ok(call)
})

t.test('string ids of a server travel as well', async t => {
  const { transport, get, open, post, received } = wiredTransport()
  await open()
  const standalone = get()
  await transport.send(request('0', 'roots/list'))
  const wire = standalone.messages[0].id
  t.not(wire, 'ep-1-0')
  post(result(wire))
  t.same(received, [result('0')])
})

t.test('the progress token that the SDK makes of its id is mapped both ways, any other left alone', async t => {
  const { transport, post, open, received } = wiredTransport()
  await open()
  const exchange = post(request(7))
  await transport.send(request(3, 'sampling/createMessage', { a: 1, _meta: { progressToken: 3, b: 2 } }), { relatedRequestId: 7 })
  t.same(exchange.messages[0].params, { a: 1, _meta: { progressToken: 'ep-1-3', b: 2 } })
  await transport.send(request(4, 'sampling/createMessage', { _meta: { progressToken: 'mine' } }), { relatedRequestId: 7 })
  t.same(exchange.messages[1].params, { _meta: { progressToken: 'mine' } })
  const progress = (progressToken: unknown) => notification('notifications/progress', { progressToken, progress: 1 })
  for (const [wire, own] of [['ep-1-3', 3], ['mine', 'mine'], ['ep-0-3', 'ep-0-3']]) {
    post(progress(wire))
    t.same(received.at(-1), progress(own))
  }
})

t.test('giving a request up names our id, on the stream that carried it', async t => {
  const { transport, post, get, open, received } = wiredTransport()
  await open()
  const standalone = get()
  const call = post(request(7))
  await transport.send(request(0, 'elicitation/create'), { relatedRequestId: 7 })
  const cancelled = Object.freeze(notification('notifications/cancelled', Object.freeze({ requestId: 0, reason: 'late' }) as any))
  await transport.send(cancelled, { relatedRequestId: 7 })
  t.same(call.messages.at(-1), notification('notifications/cancelled', { requestId: 'ep-1-0', reason: 'late' }))
  post(result('ep-1-0'))
  t.same(received.filter(message => 'result' in message), [], 'its answer comes too late')

  await transport.send(request(1, 'roots/list'))
  await transport.send(notification('notifications/cancelled', { requestId: 1 }))
  t.same(standalone.messages.map(message => message.id ?? message.params.requestId), ['ep-1-1', 'ep-1-1'])

  await transport.send(request(2, 'roots/list'))
  const newer = get()
  await transport.send(notification('notifications/cancelled', { requestId: 2 }))
  t.same(newer.messages, [], 'also when there is a newer one')
})

t.test('a request that nothing can carry fails at once', async t => {
  const { transport, post, get, open } = wiredTransport({ responseMode: 'json' })
  await open()
  post(request(7))
  await t.rejects(transport.send(request(0, 'sampling/createMessage'), { relatedRequestId: 7 }), { code: 'MCP_STICKY_ERR_NO_STREAM', message: /sampling\/createMessage/ })
  const standalone = get()
  await transport.send(request(1, 'sampling/createMessage'), { relatedRequestId: 7 })
  t.same(standalone.messages.map(message => message.id), ['ep-1-1'])
})

t.test('questions that nobody answers are forgotten in the end, oldest first', async t => {
  const { transport, get, open, post, received } = wiredTransport()
  await open()
  get()
  for (let id = 0; id <= 1000; id++) await transport.send(request(id, 'roots/list'))
  post([result('ep-1-0'), result('ep-1-1')])
  t.same(received, [result(1)])
})
