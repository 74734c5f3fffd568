// A way between nodes that drops what is sent, without a word.
import t from 'tap'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { FrozenOwners } from '../../../lib/affinity/evidence/frozen-owners.ts'
import { startRelay } from '../../fixtures/relay.ts'
import type { Relay } from '../../fixtures/relay.ts'
import { until } from '../../fixtures/until.ts'
import { ask, begin, bytesOf, LAST_WORDS, startNode, startOwner } from '../forwarding/node.ts'
import type { ForwardingNode, RawAnswer } from '../forwarding/node.ts'

const BEAT = 200

t.jobs = 8
const EVENTS = { 'content-type': 'text/event-stream' }

interface Watched {
  node: ForwardingNode
  relay: Relay
  /** What the owner is to answer, in the order of arrival. */
  waiting: ServerResponse[]
  /** How often the owner was asked whether it answers. */
  questions: () => number
  warnings: string[]
  /** A call through the node. */
  call: () => Promise<RawAnswer>
  stream: () => ReturnType<typeof begin>
}

/** A node whose watch looks after an owner behind a relay; the owner answers calls when the test does. */
async function setUp (t: Test): Promise<Watched> {
  const waiting: ServerResponse[] = []
  let questions = 0
  const owner = await startOwner(t, (request, response) => {
    if (request.url === '/mcp-sticky/owner') {
      questions++
      response.writeHead(404).end()
    } else if (request.method === 'GET') response.writeHead(200, EVENTS).flushHeaders()
    else waiting.push(response)
  })
  const relay = await startRelay(t, (owner.server.address() as AddressInfo).port)
  const node = await startNode(t, relay.url)
  const warnings: string[] = []
  const watch = new FrozenOwners({ beat: BEAT, forwarder: node.forwarder, log: { warn: (_facts: object, text: string) => { warnings.push(text) } } as never })
  const wake = setInterval(() => watch.wake(), 1)
  t.teardown(() => clearInterval(wake))
  return { node, relay, waiting, warnings, questions: () => questions, call: () => ask(`${node.url}/mcp`), stream: () => begin(`${node.url}/mcp`, { method: 'GET' }) }
}

t.test('what was sent over a way that is cut ends, a stream too, and what comes next is not sent until it leads there again', async t => {
  const { node, relay, waiting, warnings, call, stream } = await setUp(t)
  const opened = await stream()
  const lost = call()
  await until('the owner has it', () => waiting.length === 1)
  relay.silence()
  const late = call()
  t.equal((await lost).body.toString(), '{"outcome":"lost"}')
  t.equal((await late).body.toString(), '{"outcome":"lost"}')
  t.equal((await bytesOf(opened)).toString(), LAST_WORDS)
  t.equal((await call()).body.toString(), '{"outcome":"unreachable"}')
  t.equal(waiting.length, 1)
  t.equal(warnings.length, 1)
  relay.mend()
  await until('the way leads there again', () => warnings.length === 2)
  const served = call()
  await until('the owner has the next', () => waiting.length === 2)
  waiting[1]!.end('ok')
  t.equal((await served).body.toString(), 'ok')
  await until('nothing is left to look after', () => node.forwarder.ways.size === 0)
})

t.test('a kept connection whose way is cut', async t => {
  const { relay, waiting, call } = await setUp(t)
  const first = call()
  await until('the owner has it', () => waiting.length === 1)
  waiting[0]!.end('ok')
  await first
  relay.silence()
  t.equal((await call()).body.toString(), '{"outcome":"lost"}')
  t.equal(waiting.length, 1)
})

t.test('a handler may think as long as it likes', async t => {
  const { waiting, call, questions, warnings } = await setUp(t)
  const thought = call()
  await until('it was asked again and again', () => questions() > 5)
  waiting[0]!.end('ok')
  t.equal((await thought).body.toString(), 'ok')
  t.same(warnings, [])
})

t.test('a way that nobody wants to go is forgotten', async t => {
  const { node, relay, waiting, call } = await setUp(t)
  const lost = call()
  await until('the owner has it', () => waiting.length === 1)
  relay.silence()
  t.equal((await lost).body.toString(), '{"outcome":"lost"}')
  t.equal(node.forwarder.ways.size, 1)
  await until('it is forgotten', () => node.forwarder.ways.size === 0)
})

t.test('a client that takes nothing is no silence of the owner\'s', async t => {
  const { waiting, node } = await setUp(t)
  const answer = begin(`${node.url}/mcp`)
  await until('the owner has it', () => waiting.length === 1)
  waiting[0]!.writeHead(200, EVENTS)
  const piece = Buffer.alloc(1 << 16, ':\n')
  for (let i = 0; i < 400; i++) waiting[0]!.write(piece)
  const [way] = node.forwarder.ways.values()
  await until('the client\'s connection is full', () => !way!.silentSince(Infinity))
  const taken = (await answer).resume()
  await until('the owner is waited for again', () => way!.silentSince(Infinity))
  taken.destroy()
})
