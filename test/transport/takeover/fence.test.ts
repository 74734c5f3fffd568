// Nothing that a server says goes out while another node may have its session.
import t from 'tap'
import { notification, request, result, wiredTransport } from '../../fixtures/wired-transport.ts'

const note = (n: number) => notification('notifications/message', { n })

/** A fence that the test shuts, and opens with an answer. */
function fenced () {
  let pending: Promise<boolean> | undefined
  let settle = (_: boolean): void => {}
  const asked = { count: 0 }
  return {
    asked,
    secured (): Promise<boolean> | undefined {
      asked.count++
      return pending
    },
    shut (): void { pending = new Promise(resolve => { settle = resolve }) },
    answer (ours: boolean): void {
      settle(ours)
      pending = undefined
    }
  }
}

t.test('what a server says while its session is in doubt waits, and goes in order', async t => {
  const fence = fenced()
  const { transport, post, get, open } = wiredTransport({ secured: fence.secured })
  await open()
  const standalone = get()
  const [first, second] = [post(request(1)), post(request(2))]
  fence.shut()
  const said = [
    transport.send(note(1), { relatedRequestId: 1 }),
    transport.send(request(0, 'roots/list')),
    transport.send(note(2), { relatedRequestId: 1 }),
    transport.send(result(1)),
    transport.send(note(3)),
    transport.send(result(2))
  ]
  await new Promise(resolve => setImmediate(resolve))
  t.same([first.answered, second.answered, standalone.messages], [undefined, undefined, []])
  t.equal(transport.busy, true)
  fence.answer(true)
  await Promise.all(said)
  t.same(first.messages, [note(1), note(2), result(1)])
  t.ok(first.ended)
  t.same(standalone.messages.map(message => message.method), ['roots/list', 'notifications/message'])
  t.same(second.body, result(2))
  t.equal(transport.busy, false)
})

t.test('what is said while the first of the waiting goes out does not overtake the others', async t => {
  const fence = fenced()
  const { transport, get, open } = wiredTransport({ secured: fence.secured })
  await open()
  const standalone = get()
  fence.shut()
  const said: Array<Promise<void>> = []
  const say = (n: number): void => { said.push(transport.send(note(n))) }
  say(1)
  // Between the first and the second, when the fence is open already.
  const between = fence.secured()!.then(() => say(3))
  const after = said[0]!.then(() => say(4))
  say(2)
  fence.answer(true)
  await Promise.all([between, after])
  await Promise.all(said)
  t.same(standalone.messages.map(message => message.params.n), [1, 2, 3, 4])
})

t.test('a session in doubt asks once for all who wait, and again later', async t => {
  const fence = fenced()
  const { transport, get, open } = wiredTransport({ secured: fence.secured })
  await open()
  const standalone = get()
  fence.shut()
  fence.asked.count = 0
  const said = [1, 2, 3].map(n => transport.send(note(n)))
  t.equal(fence.asked.count, 1)
  fence.answer(true)
  await Promise.all(said)
  const sent = transport.send(note(4))
  t.same(standalone.messages.length, 4, 'out of doubt, it goes at once')
  await sent
  fence.shut()
  const later = transport.send(note(5))
  t.same(standalone.messages.length, 4)
  fence.answer(true)
  await later
  t.same(standalone.messages.length, 5)
})

t.test('a session that is lost says nothing more; its calls end when its owner closes it', async t => {
  const fence = fenced()
  const { transport, post, get, open } = wiredTransport({ secured: fence.secured })
  await open()
  const standalone = get()
  const [json, stream] = [post(request(1)), post(request(2))]
  await transport.send(note(1), { relatedRequestId: 2 })
  fence.shut()
  const said = [transport.send(result(1)), transport.send(note(2), { relatedRequestId: 2 }), transport.send(note(3))]
  fence.answer(false)
  for (const one of said) await t.rejects(one, { code: 'MCP_STICKY_ERR_SESSION_ENDED' })
  await t.rejects(transport.send(result(2)), { code: 'MCP_STICKY_ERR_SESSION_ENDED' }, 'for good, whatever is said of it now')
  t.same([json.answered, stream.messages, standalone.messages], [undefined, [note(1)], []])
  t.equal(transport.busy, true)
  await transport.close()
  t.match(json.body, { id: 1, error: { data: { reason: 'session_ended' } } })
  t.match(stream.messages.at(-1), { id: 2, error: { data: { reason: 'session_ended' } } })
})

t.test('a session closed while it waits answers its calls once', async t => {
  const fence = fenced()
  const { transport, post, open } = wiredTransport({ secured: fence.secured })
  await open()
  const call = post(request(1))
  fence.shut()
  const said = transport.send(result(1))
  const noted = transport.send(note(1))
  await transport.close()
  t.match(call.body, { id: 1, error: { data: { reason: 'session_ended' } } })
  fence.answer(true)
  await said
  await t.rejects(noted, { code: 'MCP_STICKY_ERR_SESSION_ENDED' })
})
