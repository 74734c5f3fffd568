import t from 'tap'
import type { AnswerHead, Forwarded, Forwarder } from '../../lib/affinity/forwarding/forwarder.ts'
import { Hops, isTooLarge } from '../../lib/affinity/hops.ts'
import { NO_EVENTS } from '../../lib/events/events.ts'
import { newCounters } from '../../lib/counters.ts'
import { UnderWay } from '../../lib/http/under-way.ts'
import type { Incoming } from '../../lib/sessions/incoming.ts'
import { FakeResponse } from '../http/fake-response.ts'

type Options = Parameters<Forwarder['forward']>[3]

/** A node at `url` that answers with this head, or whose way ends so. */
function setUp (forward: (options: Options) => Forwarded = () => ({ outcome: 'answered' })) {
  const counters = newCounters()
  const underWay = { calls: new UnderWay(), streams: new UnderWay() }
  const forwarder = { forward: async (_request: unknown, _reply: unknown, _url: string, options: Options) => forward(options) } as unknown as Forwarder
  return { counters, underWay, hops: new Hops({ endpoint: 'default', forwarder, counters, events: NO_EVENTS, lastWords: ids => ids.join(), underWay }) }
}

const incoming = (method: string, hop = false): Incoming => ({ request: { method }, reply: { raw: new FakeResponse().raw }, ids: [1, 2], hop }) as unknown as Incoming

/** What becomes of an answer with this head, from a node of that format. */
async function answer (head: { status: number, type?: string, proven?: boolean }, format?: number, method = 'POST') {
  const { hops, counters } = setUp(({ decline }) => {
    const answer: AnswerHead = { status: head.status, headers: { 'content-type': head.type }, proven: () => head.proven }
    return decline(answer) ? { outcome: 'declined', status: head.status, proven: head.proven } : { outcome: 'answered' }
  })
  return { found: await hops.to(incoming(method), 'http://b', format), forwarded: counters.forwarded }
}

t.test('what another node has passed on goes no further, and without a forwarder nothing goes anywhere', async t => {
  const { hops, counters, underWay } = setUp()
  t.equal(hops.may(incoming('POST')), true)
  t.equal(hops.may(incoming('POST', true)), false)
  t.equal(new Hops({ endpoint: 'default', forwarder: undefined, counters, events: NO_EVENTS, lastWords: () => '', underWay }).may(incoming('POST')), false)
})

t.test('streams are apart from calls', async t => {
  const { hops, underWay } = setUp()
  for (const method of ['GET', 'POST', 'DELETE']) hops.began(incoming(method))
  t.strictSame([underWay.streams.size, underWay.calls.size], [1, 2])
})

t.test('an answer is counted, and its last words are for all of its calls', async t => {
  let words = ''
  const { hops, counters } = setUp(({ lastWords }) => {
    words = lastWords()
    return { outcome: 'answered' }
  })
  t.strictSame(await hops.to(incoming('POST'), 'http://b'), { do: 'nothing' })
  t.strictSame([counters.forwarded, words], [1, '1,2'])
})

t.test('what nodes say to each other is not their clients\'', async t => {
  for (const format of [0, 1]) {
    t.strictSame(await answer({ status: 421, proven: true }, format), { found: { now: 'moved' }, forwarded: 0 })
    t.match(await answer({ status: 431 }, format), { found: { do: 'refuse', reason: 'headers_too_large' }, forwarded: 0 })
  }
})

t.test('a stranger\'s answer is nobody\'s, unless it can do no harm', async t => {
  for (const [status, type] of [[404, 'application/json'], [302, 'text/html'], [200, 'text/html'], [200, undefined], [421, 'application/json']] as const) {
    t.match(await answer({ status, ...(type && { type }), proven: false }, 1), { found: { now: 'unreachable', error: Error }, forwarded: 0 }, `${status} ${type}`)
  }
  for (const [status, type] of [[200, 'application/json; charset=utf-8'], [200, 'text/event-stream'], [202, undefined]] as const) {
    t.match(await answer({ status, ...(type && { type }), proven: false }, 1), { found: { do: 'nothing' } }, `${status} ${type}`)
  }
  t.match(await answer({ status: 404, proven: true }, 1), { found: { do: 'nothing' } }, 'the owner\'s own')
  t.match(await answer({ status: 404, proven: false }, 0), { found: { do: 'nothing' } }, 'a node of format 0 proves nothing')
  t.match(await answer({ status: 502, proven: false }, 1), { found: { do: 'refuse', reason: 'owner_lost' } }, 'a proxy may have passed it on')
})

t.test('a call that is lost is not sent again, a stream may be opened again', async t => {
  const error = new Error('gone')
  const lost = setUp(() => ({ outcome: 'lost', error })).hops
  t.match(await lost.to(incoming('POST'), 'http://b'), { do: 'refuse', reason: 'owner_lost', log: { err: error } })
  t.strictSame(await lost.to(incoming('GET'), 'http://b'), { now: 'unreachable', error })
  t.strictSame(await setUp(() => ({ outcome: 'unreachable', error })).hops.to(incoming('POST'), 'http://b'), { now: 'unreachable', error })
})

t.test('too large is what the other server says, and nothing else', async t => {
  t.equal(isTooLarge({ outcome: 'declined', status: 431, proven: undefined }), true)
  t.equal(isTooLarge({ outcome: 'declined', status: 421, proven: undefined }), false)
  t.equal(isTooLarge({ outcome: 'answered' }), false)
})
