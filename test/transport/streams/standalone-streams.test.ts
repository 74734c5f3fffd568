// Messages that belong to no call, and the streams that GETs open for them.
import t from 'tap'
import { FakeExchange } from '../../fixtures/fake-exchange.ts'
import { until } from '../../fixtures/until.ts'
import { notification, request, wiredTransport } from '../../fixtures/wired-transport.ts'

const note = (n: number) => notification('notifications/message', { n })
const numbers = (messages: any[]): number[] => messages.map(message => message.params.n)

t.test('what is said before any stream is there waits for the first, in order, at most 32', async t => {
  const { transport, get, open, log } = wiredTransport()
  await open()
  for (let n = 1; n <= 34; n++) await transport.send(note(n))
  t.match(log.lines.at(-1), { level: 'debug', message: /oldest of the waiting messages was dropped/ })
  t.same(numbers(get().messages), Array.from({ length: 32 }, (_, index) => index + 3))
  t.same(get().messages, [], 'each message goes to one stream')
})

t.test('each message goes to the newest stream alone, and to the one before when that ends', async t => {
  const { transport, get, open } = wiredTransport()
  await open()
  const [first, second] = [get(), get()]
  await transport.send(note(1))
  second.leave()
  await transport.send(note(2))
  await until('the stream is forgotten', () => transport.streams === 1)
  await transport.send(note(3))
  first.leave()
  await transport.send(note(4))
  t.same(numbers(first.messages), [2, 3])
  t.same(numbers(second.messages), [1])
  t.same(numbers(get().messages), [4], 'what came while none was open')
})

t.test('a fifth stream ends the oldest', async t => {
  const { transport, get, open } = wiredTransport()
  await open()
  const streams = [get(), get(), get(), get()]
  t.equal(transport.streams, 4)
  const fifth = get()
  const sixth = get()
  t.same(streams.map(stream => stream.ended), [true, true, false, false])
  await until('the oldest are forgotten', () => transport.streams === 4)
  await transport.send(note(1))
  t.same([fifth.messages, sixth.messages], [[], [note(1)]])
})

t.test('a client that left before its stream opened takes no messages from the others', async t => {
  const { transport, get, open } = wiredTransport()
  await open()
  await transport.send(note(1))
  const gone = new FakeExchange()
  gone.leave()
  get(gone)
  t.equal(transport.streams, 0)
  t.same(numbers(get().messages), [1])
})

t.test('a request about no call waits for a stream too, until its server gives it up', async t => {
  const { transport, get, open, post, received } = wiredTransport()
  await open()
  await transport.send(request(0, 'roots/list'))
  await transport.send(request(1, 'roots/list'))
  await transport.send(notification('notifications/cancelled', { requestId: 0 }))
  const standalone = get()
  t.same(standalone.messages, [request('ep-1-1', 'roots/list')], 'the one that was given up is not asked at all')
  post({ jsonrpc: '2.0', id: 'ep-1-1', result: { roots: [] } })
  t.same(received, [{ jsonrpc: '2.0', id: 1, result: { roots: [] } }])
})
