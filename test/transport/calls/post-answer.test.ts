// What a POST is answered with: JSON, SSE, 202, and when.
import t from 'tap'
import { AnswerWait } from '../../../lib/transport/calls/answer-wait.ts'
import { FakeExchange } from '../../fixtures/fake-exchange.ts'
import { until } from '../../fixtures/until.ts'
import { notification, request, result, wiredTransport } from '../../fixtures/wired-transport.ts'

t.test('a response that comes first is the JSON answer', async t => {
  const { transport, post, open, received } = wiredTransport()
  await open()
  const exchange = post(request(1))
  t.same(received, [request(1)])
  t.equal(transport.busy, true)
  await transport.send(result(1, { a: 1 }))
  t.equal(exchange.answered, 'json')
  t.same(exchange.body, result(1, { a: 1 }))
  t.equal(transport.busy, false)
})

t.test('ids 1 and "1" are different calls', async t => {
  const { transport, post, open } = wiredTransport()
  await open()
  const [number, text] = [post(request(1)), post(request('1'))]
  await transport.send(result('1'))
  t.same([number.answered, text.answered], [undefined, 'json'])
})

t.test('a notification that comes first makes it a stream, which ends with the response', async t => {
  const { transport, post, open } = wiredTransport()
  await open()
  const exchange = post(request(1))
  await transport.send(notification('notifications/message'), { relatedRequestId: 1 })
  t.equal(exchange.answered, 'stream')
  t.equal(transport.streams, 1)
  await transport.send(result(1))
  t.same(exchange.messages, [notification('notifications/message'), result(1)])
  t.same(exchange.events.map(event => event.id), [undefined, undefined], 'no ids without an event store')
  t.ok(exchange.ended)
  t.equal(transport.streams, 0)
})

t.test('a silent call becomes a stream when the wait is over', async t => {
  const { transport, post, open } = wiredTransport({ waits: new AnswerWait(4) })
  await open()
  const exchange = post(request(1))
  await until('the stream opens', () => exchange.answered === 'stream')
  t.same(exchange.events, [])
  await transport.send(result(1))
  t.same(exchange.messages, [result(1)])
  t.ok(exchange.ended)
})

t.test('a client that left gets no stream when the wait is over', async t => {
  const { transport, post, open } = wiredTransport({ waits: new AnswerWait(4) })
  await open()
  const gone = post(request(1))
  const here = post(request(2))
  gone.leave()
  await until('the other stream opens', () => here.answered === 'stream')
  t.equal(gone.answered, undefined)
  await transport.send(result(1))
  t.equal(gone.answered, undefined, 'its response is dropped')
  t.equal(transport.busy, true, 'only the other call is in flight')
})

t.test('sse mode opens the stream at once; json mode never', async t => {
  const sse = wiredTransport({ responseMode: 'sse' })
  t.equal((await sse.open()).answered, 'stream')
  const streamed = sse.post(request(1))
  t.equal(streamed.answered, 'stream')
  await sse.transport.send(result(1))
  t.same(streamed.messages, [result(1)])
  t.ok(streamed.ended)

  const json = wiredTransport({ responseMode: 'json', waits: new AnswerWait(1) })
  t.equal((await json.open()).answered, 'json')
  const exchange = json.post(request(1))
  await json.transport.send(notification('notifications/message', { n: 1 }), { relatedRequestId: 1 })
  t.equal(exchange.answered, undefined)
  t.match(json.log.lines.at(-1), { level: 'debug', message: /notifications\/message was dropped/ })
  const standalone = json.get()
  await json.transport.send(notification('notifications/message', { n: 2 }), { relatedRequestId: 1 })
  t.same(standalone.messages, [notification('notifications/message', { n: 2 })], 'with a standalone stream it goes there')
  await json.transport.send(result(1))
  t.same(exchange.body, result(1))
})

t.test('notifications and answers alone are accepted before the server sees them', async t => {
  const { transport, post, open } = wiredTransport()
  await open()
  const exchange = new FakeExchange()
  transport.onmessage = () => t.equal(exchange.answered, 'accepted')
  post(notification('notifications/initialized'), exchange)
  t.equal(post([notification('a'), result('unknown')]).answered, 'accepted')
  t.plan(3)
})

t.test('a batch is answered by an array in the order of its requests', async t => {
  const { transport, post, open, received } = wiredTransport()
  await open('2025-03-26')
  const exchange = post([request(1), notification('n'), request(2)])
  t.equal(received.length, 3)
  await transport.send(result(2))
  t.equal(exchange.answered, undefined)
  await transport.send(result(1))
  t.same(exchange.body, [result(1), result(2)])
  const single = post([request(3)])
  await transport.send(result(3))
  t.same(single.body, [result(3)], 'also a batch of one')
})

t.test('a batch that turns into a stream says what it has so far, then the rest', async t => {
  const { transport, post, open } = wiredTransport()
  await open('2025-03-26')
  const exchange = post([request(1), request(2), request(3)])
  await transport.send(result(2))
  await transport.send(notification('n'), { relatedRequestId: 3 })
  await transport.send(result(1))
  t.notOk(exchange.ended)
  await transport.send(result(3))
  t.same(exchange.messages, [result(2), notification('n'), result(1), result(3)])
  t.ok(exchange.ended)
})

t.test('ids in use are found, in flight and within a batch', async t => {
  const { transport, post, open } = wiredTransport()
  await open()
  post(request(1))
  t.equal(transport.idInUse([request(1)]), 1)
  t.equal(transport.idInUse([request('1')]), undefined)
  t.equal(transport.idInUse([request(2), request(2)]), 2)
  t.equal(transport.idInUse([request(2), request(1)]), 1)
  t.equal(transport.idInUse([request(2), result(2), notification('n')]), undefined)
  await transport.send(result(1))
  t.equal(transport.idInUse([request(1)]), undefined)
})

t.test('a server that throws on a message answers -32603 and goes on', async t => {
  const { transport, post, open, log } = wiredTransport()
  await open()
  transport.onmessage = () => { throw new Error('broken') }
  t.match(post(request(1)).body, { id: 1, error: { code: -32603 } })
  t.equal(post(notification('n')).answered, 'accepted')
  t.equal(transport.busy, false)
  t.match(log.lines.at(-1), { level: 'error', fields: { err: { message: 'broken' } } })
})

t.test('a result that is no JSON is an error to both sides', async t => {
  const { transport, post, open } = wiredTransport()
  await open()
  const json = post(request(1))
  await t.rejects(transport.send(result(1, { big: 1n })), TypeError)
  t.match(json.body, { id: 1, error: { code: -32603 } })
  const stream = post(request(2))
  await transport.send(notification('n'), { relatedRequestId: 2 })
  await t.rejects(transport.send(result(2, { big: 1n })), TypeError)
  t.match(stream.messages.at(-1), { id: 2, error: { code: -32603 } })
  t.ok(stream.ended)
})

t.test('late and unknown responses, and what comes for a client that left, are dropped with a debug line', async t => {
  const { transport, post, open, log } = wiredTransport()
  await open()
  await transport.send(result('nobody'))
  t.match(log.lines.at(-1), { level: 'debug', message: 'a late response was dropped' })
  const exchange = post(request(1))
  await transport.send(notification('n', { n: 1 }), { relatedRequestId: 1 })
  exchange.leave()
  await transport.send(notification('n', { n: 2 }), { relatedRequestId: 1 })
  t.match(log.lines.at(-1), { level: 'debug', message: 'n was dropped' })
  await t.rejects(transport.send(request(0, 'sampling/createMessage'), { relatedRequestId: 1 }), { code: 'MCP_STICKY_ERR_NO_STREAM' })
  t.equal(transport.busy, true, 'leaving is no cancellation')
  await transport.send(result(1))
  t.equal(transport.busy, false)
  t.equal(exchange.messages.length, 1)
})

t.test('what a server says about a call that is over goes to a standalone stream, progress nowhere', async t => {
  const { transport, post, open, get } = wiredTransport()
  await open()
  post(request(1))
  await transport.send(result(1))
  const standalone = get()
  await transport.send(notification('notifications/progress'), { relatedRequestId: 1 })
  await transport.send(notification('notifications/message'), { relatedRequestId: 1 })
  t.same(standalone.messages, [notification('notifications/message')])
})

t.test('a slow reader holds the sender back', async t => {
  const { transport, post, open } = wiredTransport()
  await open()
  const exchange = post(request(1))
  await transport.send(notification('n'), { relatedRequestId: 1 })
  exchange.sse!.buffered = 1
  let sent = false
  const sending = transport.send(notification('n'), { relatedRequestId: 1 }).then(() => { sent = true })
  await new Promise(resolve => setImmediate(resolve))
  t.equal(sent, false)
  exchange.sse!.drain()
  await sending
})
