import Fastify from 'fastify'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { newCounters } from '../../../lib/counters.ts'
import { eventsTo } from '../../fixtures/events.ts'
import { sessionName } from '../../../lib/session-id.ts'
import { ownerLost, REASONS, refuser, type Refuse } from '../../../lib/routes/answers/refusal.ts'

type Refused = Parameters<Refuse>[0]

const ID = '0123456789abcdef.AAAAAAAAAAAAAAAAAAAAAA'

/** Answers one request by a refusal. */
async function answer (t: Test, refused: (refuse: Refuse, incoming: Refused) => void, { receive, message, endpoint = 'default' }: { receive?: () => void, message?: object, endpoint?: string } = {}) {
  const counters = newCounters(REASONS)
  const log: Array<Record<string, unknown>> = []
  const app = Fastify({ logger: { level: 'debug', stream: { write: (line: string) => { log.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  app.post('/', (_request, reply) => { refused(refuser({ endpoint, counters, events: eventsTo(app.log), receive }), { reply, message }) })
  const response = await app.inject({ method: 'POST', url: '/', headers: { 'mcp-session-id': ID } })
  return { response, counters, line: log.find(({ msg }) => String(msg).startsWith('mcp request refused')) }
}

t.test('a refusal is an answer, a count and a line', async t => {
  let receipts = 0
  const { response, counters, line } = await answer(t, (refuse, incoming) => refuse(incoming, 'misrouted', { id: 7, detail: '$&', data: { node: 'b' }, retryAfter: 3, log: { owner: 'b' } }), { receive: () => { receipts++ } })
  t.equal(response.statusCode, 404)
  t.equal(response.headers['content-type'], 'application/json; charset=utf-8')
  t.equal(response.headers['retry-after'], '3')
  t.match(response.json(), { jsonrpc: '2.0', id: 7, error: { code: -32001, message: /it lives on node \$&;/, data: { reason: 'misrouted', node: 'b' } } })
  t.strictSame([counters.refused['misrouted'], counters.refused['unknown']], [1, 0])
  t.match(line, { level: 40, reason: 'misrouted', owner: 'b', session: sessionName(ID), event: 'request.refused', node: 'here', endpoint: 'default', status: 404, durationMs: Number })
  t.equal(receipts, 1)
})

t.test('the line names the endpoint', async t => {
  const { line } = await answer(t, (refuse, incoming) => refuse(incoming, 'unknown'), { endpoint: 'admin' })
  t.match(line, { reason: 'unknown', endpoint: 'admin' })
})

t.test('without an id it answers null, to a batch it answers each, and its status may be another', async t => {
  const none = await answer(t, (refuse, incoming) => refuse(incoming, 'unknown'))
  t.equal(none.response.json().id, null)
  t.equal(none.response.headers['retry-after'], undefined)
  const batch = await answer(t, (refuse, incoming) => refuse(incoming, 'owner_lost', { ids: [1, 'a'], status: 200 }))
  t.equal(batch.response.statusCode, 200)
  t.strictSame(batch.response.json().map(({ id }: { id: unknown }) => id), [1, 'a'])
})

t.test('an answer that has begun is broken off', async t => {
  const counters = newCounters(REASONS)
  let destroyed = false
  const log = () => {}
  const reply = { sent: true, request: { headers: {} }, raw: { destroy: () => { destroyed = true } }, log: { debug: log, info: log, warn: log, error: log } } as unknown as FastifyReply
  refuser({ endpoint: 'default', counters, events: eventsTo(reply.log), receive: () => t.fail('nothing can be added to it') })({ reply, message: undefined }, 'internal')
  t.equal(destroyed, true)
  t.equal(counters.refused['internal'], 1)
})

t.test('the last words of a lost owner are an event for each call', async t => {
  const events = ownerLost([1, 'a']).split('\n\n').slice(0, -1).map(frame => JSON.parse(/^data: (.*)$/m.exec(frame)![1]!))
  t.match(events, [{ id: 1, error: { data: { reason: 'owner_lost' } } }, { id: 'a', error: { data: { reason: 'owner_lost' } } }])
  t.equal(ownerLost([]), '')
})
