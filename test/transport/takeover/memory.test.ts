// What a node that adopts a session has to tell its own server.
import t from 'tap'
import { initializeForReplay } from '../../../lib/transport/replay.ts'
import { notification, request, result, wiredTransport } from '../../fixtures/wired-transport.ts'

function remembering () {
  const changes = { count: 0 }
  const wired = wiredTransport({ remember: () => { changes.count++ } })
  let id = 0
  /** The client asks, the server accepts or refuses. */
  async function ask (method: string, params: Record<string, unknown>, accepted = true): Promise<void> {
    wired.post(request(++id, method, params))
    await wired.transport.send(accepted ? result(id) : { jsonrpc: '2.0', id, error: { code: -32602, message: 'no' } })
  }
  const subscribe = (uri: unknown, accepted = true) => ask('resources/subscribe', { uri }, accepted)
  return { ...wired, changes, ask, subscribe }
}

t.test('the log level and the subscriptions that the server accepted', async t => {
  const { transport, open, ask, subscribe, changes } = remembering()
  await open()
  t.strictSame(transport.remembered, { logLevel: undefined, subscriptions: [] })
  await ask('logging/setLevel', { level: 'warning' })
  await subscribe('file:///a')
  await subscribe('file:///b')
  t.equal(changes.count, 3)
  await ask('logging/setLevel', { level: 'debug' }, false)
  await subscribe('file:///c', false)
  await subscribe('file:///a')
  await ask('logging/setLevel', { level: 'warning' })
  await ask('resources/unsubscribe', { uri: 'file:///never' })
  await ask('resources/unsubscribe', { uri: 'file:///b' }, false)
  await ask('tools/call', { uri: 'file:///d', level: 'info' })
  await ask('logging/setLevel', { level: 7 })
  t.equal(changes.count, 3, 'nothing of that changed anything')
  t.strictSame(transport.remembered, { logLevel: 'warning', subscriptions: ['file:///a', 'file:///b'] })
  await ask('resources/unsubscribe', { uri: 'file:///a' })
  t.equal(changes.count, 4)
  t.strictSame(transport.remembered, { logLevel: 'warning', subscriptions: ['file:///b'] })
})

t.test('nothing before the answer, nothing of a cancelled call, and each of a batch by its own', async t => {
  const { transport, post, open, changes } = remembering()
  await open('2025-03-26')
  post(request(1, 'resources/subscribe', { uri: 'file:///a' }))
  t.equal(changes.count, 0)
  post(notification('notifications/cancelled', { requestId: 1 }))
  await transport.send(result(1))
  post([request(2, 'resources/subscribe', { uri: 'file:///b' }), request(3, 'resources/subscribe', { uri: 'file:///c' })])
  await transport.send(result(3))
  t.strictSame(transport.remembered.subscriptions, ['file:///c'])
  await transport.send(result(2))
  t.strictSame(transport.remembered.subscriptions, ['file:///c', 'file:///b'])
})

t.test('at most 100 subscriptions, and one warning', async t => {
  const { transport, open, subscribe, ask, changes, log } = remembering()
  await open()
  for (let n = 0; n < 102; n++) await subscribe(`file:///${n}`)
  t.equal(transport.remembered.subscriptions.length, 100)
  t.equal(changes.count, 100)
  t.match(log.lines.filter(({ level }) => level === 'warn'), [{ message: /more than 100 subscriptions/ }])
  t.equal(log.lines.filter(({ level }) => level === 'warn').length, 1)
  await ask('resources/unsubscribe', { uri: 'file:///0' })
  await subscribe('file:///late')
  t.equal(transport.remembered.subscriptions.at(-1), 'file:///late')
})

t.test('a uri that is too long for a record is not remembered', async t => {
  const { transport, open, subscribe, log } = remembering()
  await open()
  await subscribe('file:///'.padEnd(2049, 'x'))
  await subscribe('file:///'.padEnd(2048, 'x'))
  t.equal(transport.remembered.subscriptions.length, 1)
  t.match(log.lines, [{ level: 'warn', message: /more than 2048 characters/ }])
})

t.test('without the option nothing is remembered', async t => {
  const { transport, open, post } = wiredTransport()
  await open()
  post(request(1, 'logging/setLevel', { level: 'debug' }))
  await transport.send(result(1))
  t.strictSame(transport.remembered, { subscriptions: [] })
})

t.test('the params of initialize are kept without icons, unless they are too large', t => {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: { sampling: {}, experimental: { icons: { a: 1 } } },
    clientInfo: { name: 'c', version: '1', icons: [{ src: 'data:'.padEnd(9000, 'x') }], more: { icons: [1], kept: [true] } }
  }
  t.strictSame(JSON.parse(initializeForReplay(params)!), {
    protocolVersion: '2025-11-25',
    capabilities: { sampling: {}, experimental: { icons: { a: 1 } } },
    clientInfo: { name: 'c', version: '1', more: { kept: [true] } }
  })
  t.equal(params.clientInfo.icons.length, 1, 'the message itself is left alone')
  const sized = (bytes: number, filler: string): string | undefined => {
    const empty = Buffer.byteLength(JSON.stringify({ capabilities: {}, clientInfo: { name: '' } }))
    return initializeForReplay({ capabilities: {}, clientInfo: { name: filler.repeat((bytes - empty) / Buffer.byteLength(filler)) } })
  }
  t.type(sized(8192, 'x'), 'string')
  t.equal(sized(8193, 'x'), undefined)
  t.equal(sized(8194, 'é'), undefined, 'bytes, not characters')
  t.equal(initializeForReplay(undefined), undefined)
  t.end()
})
