// initialize, versions, cancellation, and the end of a session.
import t from 'tap'
import { FakeExchange } from '../fixtures/fake-exchange.ts'
import { MemoryEventStore } from '../fixtures/memory-event-store.ts'
import { until } from '../fixtures/until.ts'
import { HTTP, notification, request, result, SESSION_ID, wiredTransport } from '../fixtures/wired-transport.ts'

const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'c', version: '1' } }
const accepted = result(0, { protocolVersion: '2025-06-18', capabilities: {} })

for (const responseMode of ['auto', 'json', 'sse'] as const) {
  t.test(`initialize is answered when onInitialized is done (${responseMode})`, async t => {
    let record = (): void => {}
    const written = new Promise<void>(resolve => { record = resolve })
    const order: string[] = []
    const { transport, post } = wiredTransport({
      responseMode,
      onInitialized: async value => {
        t.equal(value['protocolVersion'], '2025-06-18')
        await written
        order.push('written')
      },
      onInitializeFailed: () => t.fail('it did not fail')
    })
    const exchange = new FakeExchange()
    exchange.onHeaders = () => order.push('headers')
    post(request(0, 'initialize', params), exchange)
    const sent = transport.send(accepted)
    await transport.send(notification('notifications/message'), { relatedRequestId: 0 })
    await t.rejects(transport.send(request(0, 'roots/list'), { relatedRequestId: 0 }), { code: 'MCP_STICKY_ERR_NO_STREAM' })
    t.same(order, [])
    t.equal(transport.busy, true)
    record()
    await sent
    t.same(order, ['written', 'headers'])
    t.equal(exchange.answered, responseMode === 'sse' ? 'stream' : 'json')
    t.same(responseMode === 'sse' ? exchange.messages[0] : exchange.body, accepted)
    t.equal(transport.protocolVersion, '2025-06-18')
    t.equal(transport.busy, false)
  })
}

t.test('an initialize that the server refuses is reported, then answered', async t => {
  let failed = 0
  const exchange = new FakeExchange()
  exchange.onHeaders = () => t.equal(failed, 1)
  const { transport, post } = wiredTransport({ onInitialized: () => { t.fail('it failed') }, onInitializeFailed: () => { failed++ } })
  post(request(0, 'initialize', params), exchange)
  await transport.send({ jsonrpc: '2.0', id: 0, error: { code: -32602, message: 'no' } })
  t.match(exchange.body, { id: 0, error: { code: -32602, message: 'no' } })
  await transport.close()
  t.equal(failed, 1)
})

t.test('so is one that the server throws on, and one whose session is closed meanwhile', async t => {
  let failed = 0
  const onInitializeFailed = (): void => { failed++ }
  const thrower = wiredTransport({ onInitializeFailed })
  thrower.transport.onmessage = () => { throw new Error('broken') }
  t.match(thrower.post(request(0, 'initialize', params)).body, { id: 0, error: { code: -32603 } })
  t.equal(failed, 1)
  const closer = wiredTransport({ onInitializeFailed })
  const exchange = closer.post(request(0, 'initialize', params))
  await closer.transport.close()
  t.match(exchange.body, { id: 0, error: { data: { reason: 'session_ended' } } })
  t.equal(failed, 2)
})

t.test('a session that cannot be opened is an error, and closing during that answers once', async t => {
  const rejecting = wiredTransport({ onInitialized: async () => { throw new Error('full') }, onInitializeFailed: () => t.fail('one of the two') })
  const refused = rejecting.post(request(0, 'initialize', params))
  await rejecting.transport.send(accepted)
  t.match(refused.body, { id: 0, error: { code: -32603 } })

  let go = (): void => {}
  const { transport, post } = wiredTransport({ onInitialized: () => new Promise(resolve => { go = resolve }), onInitializeFailed: () => t.fail('one of the two') })
  const exchange = post(request(0, 'initialize', params))
  const sent = transport.send(accepted)
  await transport.close()
  go()
  await sent
  t.match(exchange.body, { error: { data: { reason: 'session_ended' } } })
})

t.test('version headers: any revision with sessions that the server speaks', async t => {
  const { transport, open } = wiredTransport()
  await open('2025-03-26')
  for (const version of [undefined, '2025-11-25', '2025-06-18', '2025-03-26']) t.ok(transport.acceptsVersion(version), String(version))
  for (const version of ['2026-07-28', '', '2025-11-25, 2025-11-25', '1.0']) t.notOk(transport.acceptsVersion(version), version)
  transport.setSupportedProtocolVersions(['2026-07-28', '2025-11-25'])
  t.same(transport.acceptedVersions, ['2025-11-25'])
  t.notOk(transport.acceptsVersion('2025-06-18'))
  t.ok(transport.acceptsVersion('2025-03-26'), 'the negotiated one always')
})

t.test('a cancelled call is released: JSON says so, a stream just ends', async t => {
  const cancelled = (id: unknown, reason?: unknown) => notification('notifications/cancelled', { requestId: id, reason })
  const json = wiredTransport({ responseMode: 'json' })
  await json.open()
  const jsonCall = json.post(request(1))
  json.post(cancelled(1))
  t.match(json.received.at(-1), { method: 'notifications/cancelled' }, 'the server hears of it')
  t.match(jsonCall.body, { id: 1, error: { code: -32800 } })
  t.equal(json.transport.busy, false)
  await json.transport.send(result(1))
  t.match(json.log.lines.at(-1), { message: 'a late response was dropped' })

  const auto = wiredTransport()
  await auto.open()
  const silent = auto.post(request(1))
  auto.post(cancelled(1, 'because'))
  t.equal(silent.answered, 'stream')
  t.same(silent.events, [])
  t.ok(silent.ended)
  const talking = auto.post(request(2))
  await auto.transport.send(notification('n'), { relatedRequestId: 2 })
  auto.post(cancelled(2))
  t.same(talking.messages, [notification('n')])
  t.ok(talking.ended)
  const ignored = auto.post(request(3))
  auto.post(cancelled(3, 17))
  t.equal(ignored.answered, undefined, 'the SDKs ignore a reason that is not text, so the response comes')
  auto.post(cancelled('nobody'))
  auto.post(notification('notifications/cancelled'))
  await auto.transport.send(result(3))
  t.equal(ignored.answered, 'json')

  await auto.open('2025-03-26')
  const batch = auto.post([request(4), request(5)])
  auto.post(cancelled(4))
  await auto.transport.send(result(5))
  t.match(batch.body, [{ id: 4, error: { code: -32800 } }, result(5)])
})

t.test('initialize cannot be cancelled', async t => {
  const { transport, post, received } = wiredTransport()
  const exchange = post(request(0, 'initialize', params))
  post(notification('notifications/cancelled', { requestId: 0 }))
  t.equal(received.length, 1)
  await transport.send(accepted)
  t.same(exchange.body, accepted)
})

t.test('close answers the calls in flight, ends the streams, and tells the server once', async t => {
  const { transport, post, get, open, log } = wiredTransport()
  await open()
  let closed = 0
  transport.onclose = () => {
    closed++
    throw new Error('in onclose')
  }
  const json = post(request(1))
  const stream = post(request(2))
  await transport.send(notification('n'), { relatedRequestId: 2 })
  const standalone = get()
  t.equal(transport.streams, 2)
  await transport.close()
  await transport.close()
  t.equal(closed, 1)
  t.match(log.lines.at(-1), { level: 'warn', fields: { err: { message: 'in onclose' } } })
  t.match(json.body, { id: 1, error: { code: -32000, data: { reason: 'session_ended' } } })
  t.match(stream.messages.at(-1), { id: 2, error: { code: -32000, data: { reason: 'session_ended' } } })
  t.ok(stream.ended)
  t.ok(standalone.ended)
  t.equal(transport.streams, 0)
  await t.rejects(transport.send(notification('n')), { code: 'MCP_STICKY_ERR_SESSION_ENDED' })
  await transport.send(result(1))
})

t.test('endStreams lets JSON calls finish', async t => {
  const { transport, post, get, open } = wiredTransport()
  await open()
  const [json, stream, standalone] = [post(request(1)), post(request(2)), get()]
  await transport.send(notification('n'), { relatedRequestId: 2 })
  transport.endStreams()
  t.ok(standalone.ended)
  t.ok(stream.ended)
  t.match(stream.messages.at(-1), { id: 2, error: { data: { reason: 'session_ended' } } })
  await transport.send(result(1))
  t.same(json.body, result(1))
})

for (const [client, version, eventStore] of [['without an event store', '2025-11-25', undefined], ['with one, of an older client', '2025-06-18', new MemoryEventStore()]] as const) {
  t.test(`clients of standalone streams that end are told when to come back (${client})`, async t => {
    const { transport, post, get, open } = wiredTransport({ retry: 700, eventStore })
    await open(version)
    const call = post(request(1))
    await transport.send(notification('n'), { relatedRequestId: 1 })
    const standalone = get()
    transport.endStreams()
    await until('both end', () => standalone.ended && call.ended)
    t.same(standalone.events, [{ retry: '700' }])
    t.match(call.messages.at(-1), { id: 1, error: { data: { reason: 'session_ended' } } })
    t.same(call.events.filter(({ retry }) => retry !== undefined), [], 'nobody comes back for an answer')
  })
}

t.test('a stream that a newer one has displaced is not told to come back', async t => {
  const { get, open } = wiredTransport({ retry: 700 })
  await open()
  const oldest = get()
  for (let n = 0; n < 4; n++) get()
  t.ok(oldest.ended)
  t.same(oldest.events, [])
})

t.test('idle is when the last call in flight is over, however it ends', async t => {
  const { transport, post, open } = wiredTransport()
  await open()
  await transport.idle()
  for (const end of [
    () => transport.send(result(2)),
    () => post(notification('notifications/cancelled', { requestId: 2 })),
    () => transport.close()
  ]) {
    let idle = 0
    const calls = [post(request(1)), post(request(2))]
    const waiting = [transport.idle(), transport.idle()].map(one => one.then(() => { idle++ }))
    await transport.send(result(1))
    await new Promise(resolve => setImmediate(resolve))
    t.equal(idle, 0)
    await end()
    await Promise.all(waiting)
    t.equal(idle, 2)
    t.ok(calls.every(call => call.answered))
  }
})

t.test('handlers learn the session and the request', async t => {
  const { transport, post, open, extras } = wiredTransport()
  await open()
  post(request(1))
  const extra = extras.at(-1)!
  t.equal(transport.sessionId, SESSION_ID)
  t.equal(extra.requestInfo.headers, HTTP.headers)
  t.equal(extra.requestInfo.url.href, 'http://mcp.test:8080/mcp?x=1')
  t.equal(extra.closeSSEStream, undefined, 'there is no event store')
})

t.test('log lines shorten the session id', async t => {
  const { transport, log } = wiredTransport()
  await transport.send(result(1))
  t.notOk(JSON.stringify(log.lines).includes(SESSION_ID))
  t.match(log.lines[0]!.fields, { session: /^[\w-]{12}$/ })
})
