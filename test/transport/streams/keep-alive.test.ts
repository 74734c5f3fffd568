import t from 'tap'
import { KeepAlive } from '../../../lib/transport/streams/keep-alive.ts'
import { until } from '../../fixtures/until.ts'
import { notification, request, wiredTransport } from '../../fixtures/wired-transport.ts'

t.test('every open stream is pinged, a closed one is not', async t => {
  const keepAlive = new KeepAlive(15)
  const pings = new Map<string, number>()
  const stream = (name: string) => ({ ping: () => { pings.set(name, (pings.get(name) ?? 0) + 1) } })
  const streams = Array.from({ length: 30 }, (_, index) => stream(String(index)))
  const gone = stream('gone')
  for (const one of [gone, ...streams, streams[0]!]) keepAlive.add(one)
  keepAlive.delete(gone)
  await until('all are pinged twice', () => pings.size === 30 && [...pings.values()].every(count => count >= 2))
  t.notOk(pings.has('gone'))
  for (const one of streams) keepAlive.delete(one)
})

t.test('both kinds of stream are kept alive by comments, unless there is something unread', async t => {
  const { transport, post, get, open } = wiredTransport({ keepAlive: new KeepAlive(15) })
  await open()
  const [call, standalone, slow] = [post(request(1)), get(), get()]
  slow.sse!.buffered = 1
  await transport.send(notification('n'), { relatedRequestId: 1 })
  const comments = (exchange: typeof call): number => exchange.events.filter(event => event.comment === 'keepalive').length
  await until('comments arrive', () => comments(call) > 1 && comments(standalone) > 1)
  t.equal(comments(slow), 0)
  await transport.close()
})
