import * as client from 'prom-client'
import t from 'tap'
import type { Test } from 'tap'
import { NodeEvents } from '../../lib/events/events.ts'
import type { EventKinds } from '../../lib/index.ts'
import { prometheus } from '../../lib/metrics/prometheus.ts'
import { Told } from '../../lib/metrics/told.ts'
import { eventsTo } from '../fixtures/events.ts'
import { keptLog } from '../fixtures/log.ts'
import { Scrape } from '../fixtures/scrape.ts'

type Done = Omit<EventKinds['request.done'], 'node'>

const ENDPOINT = { endpoint: 'default' }
const SESSION = { ...ENDPOINT, session: 'name' }
const OPERATIONS = 'mcp_server_operation_duration_seconds'

/** What is made of the events of the node `here`. */
function setUp (t: Test) {
  const registry = new client.Registry()
  const told = new Told(prometheus({ client, registry }), 'here')
  told.listen(['default'])
  t.teardown(() => told.stop())
  const events = eventsTo(keptLog())
  const done = (facts: Partial<Done> = {}) => events.emit('request.done', { ...ENDPOINT, method: 'tools/call', tool: 'add', protocolVersion: '2025-11-25', outcome: 'result', durationMs: 1500, ...facts })
  return { events, done, scrape: async () => new Scrape(await registry.metrics()) }
}

t.test('what begins at 0 is there before anything has happened', async t => {
  const got = await setUp(t).scrape()
  t.strictSame(got.samples.map(({ name, labels, value }) => [name, ...Object.values(labels), value]), [
    ['mcp_sticky_adoptions_total', 'default', 'adopted', 0],
    ['mcp_sticky_adoptions_total', 'default', 'failed', 0],
    ['mcp_sticky_requests_total', 'default', 'local', 0],
    ['mcp_sticky_requests_total', 'default', 'forwarded', 0]
  ])
})

t.test('durations are in seconds, in the buckets of the conventions', async t => {
  const { events, done, scrape } = setUp(t)
  done()
  events.emit('session.ended', { ...SESSION, reason: 'idle', durationMs: 20_000 })
  events.emit('session.adopted', { ...SESSION, from: 'b', durationMs: 40 })
  events.emit('request.held', { ...SESSION, durationMs: 4000 })
  const got = await scrape()
  for (const [name, seconds, above] of [[OPERATIONS, 1.5, '2'], ['mcp_server_session_duration_seconds', 20, '30'], ['mcp_sticky_adoption_duration_seconds', 0.04, '0.05'], ['mcp_sticky_held_seconds', 4, '5']] as const) {
    t.equal(got.value(`${name}_sum`), seconds, name)
    const buckets = got.of(`${name}_bucket`)
    t.strictSame(buckets.map(({ labels }) => labels['le']), ['0.01', '0.02', '0.05', '0.1', '0.2', '0.5', '1', '2', '5', '10', '30', '60', '120', '300', '+Inf'])
    t.equal(buckets.find(({ value }) => value === 1)!.labels['le'], above)
  }
})

t.test('how a call ended is its error_type', async t => {
  const { done, scrape } = setUp(t)
  done()
  done({ outcome: 'tool_error' })
  done({ outcome: 'ended' })
  done({ outcome: 'error', errorCode: -32602 })
  const got = (await scrape()).of(`${OPERATIONS}_count`)
  t.strictSame(got.map(({ labels, value }) => [labels['error_type'], labels['rpc_response_status_code'], value]), [
    [undefined, undefined, 1], ['tool_error', undefined, 1], ['ended', undefined, 1], ['-32602', '-32602', 1]
  ])
})

t.test('a name is a tool\'s once a call of it has succeeded', async t => {
  const { done, scrape } = setUp(t)
  const tools = async () => (await scrape()).of(`${OPERATIONS}_count`).map(({ labels, value }) => [labels['gen_ai_tool_name'], labels['error_type'], value])
  done({ outcome: 'tool_error' })
  done({ outcome: 'error', errorCode: -32602 })
  t.strictSame(await tools(), [['_OTHER', 'tool_error', 1], ['_OTHER', '-32602', 1]])
  done()
  done({ outcome: 'tool_error' })
  t.strictSame((await tools()).slice(2), [['add', undefined, 1], ['add', 'tool_error', 1]])
})

t.test('nothing that a client or a server can make up has labels without end', async t => {
  const { done, scrape } = setUp(t)
  const labels = async (name: string) => new Set((await scrape()).of(`${OPERATIONS}_count`).map(({ labels }) => labels[name]))
  for (let i = 0; i < 1000; i++) done({ tool: `tool-${i}` })
  t.equal((await labels('gen_ai_tool_name')).size, 201)
  for (let i = 0; i < 1000; i++) done({ method: 'ping', outcome: 'error', errorCode: i })
  t.equal((await labels('error_type')).size, 52, 'and _OTHER, and none')
  for (let i = 0; i < 1000; i++) done({ method: 'ping', protocolVersion: `2030-01-${i}` })
  t.equal((await labels('mcp_protocol_version')).size, 21)
})

t.test('what another node of the process says is not ours', async t => {
  const { done, scrape } = setUp(t)
  const other = new NodeEvents({ node: 'there', log: keptLog() as never })
  other.emit('request.done', { ...ENDPOINT, method: 'ping', protocolVersion: '2025-11-25', outcome: 'result', durationMs: 1 })
  done()
  t.strictSame((await scrape()).of(`${OPERATIONS}_count`).map(({ labels, value }) => [labels['mcp_method_name'], value]), [['tools/call', 1]])
})

t.test('a session that another node has taken goes on', async t => {
  const { events, scrape } = setUp(t)
  events.emit('session.ended', { ...SESSION, reason: 'taken', durationMs: 1 })
  t.equal((await scrape()).value('mcp_server_session_duration_seconds_count'), undefined)
})

t.test('forwarded are the requests that another node has answered', async t => {
  const { events, done, scrape } = setUp(t)
  const forwarded = (facts: { outcome: 'answered' | 'declined' | 'unreachable' | 'lost', method?: string }) => events.emit('forward.done', { ...SESSION, to: 'http://b', durationMs: 1, ...facts })
  forwarded({ outcome: 'answered', method: 'tools/call' })
  for (const outcome of ['declined', 'unreachable', 'lost'] as const) forwarded({ outcome, method: 'tools/call' })
  forwarded({ outcome: 'answered', method: 'notifications/initialized' })
  forwarded({ outcome: 'answered' })
  done()
  done()
  const got = await scrape()
  t.equal(got.value('mcp_sticky_requests_total', { served: 'forwarded' }), 1)
  t.equal(got.value('mcp_sticky_requests_total', { served: 'local' }), 2)
})

t.test('adoptions by what came of them', async t => {
  const { events, scrape } = setUp(t)
  const facts = { ...SESSION, from: 'b', durationMs: 10 }
  events.emit('session.adopted', facts)
  events.emit('session.adopted', facts)
  events.emit('session.adoption_failed', { ...facts, failures: 1 })
  const got = await scrape()
  t.equal(got.value('mcp_sticky_adoptions_total', { outcome: 'adopted' }), 2)
  t.equal(got.value('mcp_sticky_adoptions_total', { outcome: 'failed' }), 1)
  t.equal(got.value('mcp_sticky_adoption_duration_seconds_count'), 3)
})
