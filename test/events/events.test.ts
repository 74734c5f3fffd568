import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { CallsTold } from '../../lib/events/calls-told.ts'
import { NodeEvents } from '../../lib/events/events.ts'
import type { EventKind, StickyEvent } from '../../lib/events/kinds.ts'
import { eventsTo } from '../fixtures/events.ts'
import { keptLog } from '../fixtures/log.ts'
import { until } from '../fixtures/until.ts'

/** What is published of a kind until the test is over. */
function heard<Kind extends EventKind> (t: Test, kind: Kind): Array<StickyEvent<Kind>> {
  const all: Array<StickyEvent<Kind>> = []
  const listener = (message: unknown): void => { all.push(message as StickyEvent<Kind>) }
  const name = `fastify-mcp-sticky:${kind}`
  subscribe(name, listener)
  t.teardown(() => unsubscribe(name, listener))
  return all
}

const ADOPTED = { endpoint: 'default', session: 'name', from: 'b', durationMs: 3 }

t.test('an event is a line, and a frozen message for whoever subscribes', async t => {
  const log = keptLog()
  const events = eventsTo(log)
  const all = heard(t, 'session.adopted')
  events.emit('session.adopted', ADOPTED)
  t.strictSame(all, [{ event: 'session.adopted', node: 'here', ...ADOPTED }])
  t.ok(Object.isFrozen(all[0]))
  t.match(log.lines, [{ level: 'info', fields: { event: 'session.adopted', node: 'here', ...ADOPTED } }])
})

t.test('a line may say more than the event, for the log alone', async t => {
  const log = keptLog()
  const all = heard(t, 'session.adoption_failed')
  const err = new Error('no database')
  eventsTo(log).emit('session.adoption_failed', { ...ADOPTED, failures: 1 }, { besides: { err } })
  t.match(log.lines, [{ level: 'error', fields: { err, failures: 1 } }])
  t.notOk('err' in all[0]!)
})

t.test('a subscriber that throws becomes a warning, and the others hear all the same', async t => {
  const name = 'fastify-mcp-sticky:node.draining'
  const fails = (): never => { throw new Error('mine') }
  subscribe(name, fails)
  const all = heard(t, 'node.draining')
  const warning = once(process, 'warning')
  eventsTo(keptLog()).emit('node.draining', { sessions: 1 })
  t.match((await warning)[0].message, /node\.draining failed: Error: mine/)
  t.equal(all.length, 1)
  t.equal(unsubscribe(name, fails), true)
  eventsTo(keptLog()).emit('node.draining', { sessions: 2 })
  t.equal(all.length, 2)
})

t.test('who has subscribed twice hears twice, and nobody hears what is over', async t => {
  const name = 'fastify-mcp-sticky:node.drained'
  let count = 0
  const listener = (): void => { count++ }
  const events = eventsTo(keptLog())
  const facts = { handedOver: 0, finished: 0, lost: 0, durationMs: 0 }
  subscribe(name, listener)
  channel(name).subscribe(listener)
  t.equal(events.heard('node.drained'), true)
  events.emit('node.drained', facts)
  t.equal(count, 2)
  for (let i = 0; i < 2; i++) t.equal(unsubscribe(name, listener), true)
  t.equal(unsubscribe(name, listener), false)
  t.equal(events.heard('node.drained'), false)
})

t.test('a flood of refusals has so many lines a second, then says how many more there were', async t => {
  const log = keptLog()
  const events = new NodeEvents({ node: 'here', log: log as never })
  const all = heard(t, 'request.refused')
  const refused = (reason: string): void => events.emit('request.refused', { endpoint: 'default', reason, status: 404, durationMs: 0 })
  for (let i = 0; i < 100; i++) refused('unknown')
  refused('misrouted')
  t.equal(all.length, 101, 'subscribers hear of each')
  const lines = () => log.lines.map(({ level, fields }) => `${level} ${(fields as { reason: string }).reason}`)
  t.equal(lines().filter(line => line === 'info unknown').length, 20)
  t.equal(lines().filter(line => line === 'debug unknown').length, 80)
  t.equal(lines().filter(line => line === 'info misrouted').length, 1, 'each reason has its own')
  await until('it is said how many more', () => log.lines.some(({ fields }) => (fields as { more?: number }).more === 80))
  refused('unknown')
  t.match(log.lines.at(-1), { level: 'info', fields: { reason: 'unknown' } })
})

t.test('of a call is told what can be known of few: its method, its tool, how it ended', async t => {
  const told = new CallsTold({ events: eventsTo(keptLog()), endpoint: 'default', sessionId: 'id' })
  t.equal(told.begin(), 0, 'nobody listens')
  told.done(0, { method: 'ping' }, {}, '2025-11-25')
  const all = heard(t, 'request.done')
  const done = (request: object, answer?: object): unknown => {
    told.done(told.begin(), request as { method: string }, answer, '2025-11-25')
    const { outcome, method, tool, errorCode } = all.at(-1)!
    return [outcome, method, tool, errorCode]
  }
  t.same(done({ method: 'tools/call', params: { name: 'add' } }, { result: {} }), ['result', 'tools/call', 'add', undefined])
  t.same(done({ method: 'tools/call', params: { name: 'add' } }, { result: { isError: true } }), ['tool_error', 'tools/call', 'add', undefined])
  t.same(done({ method: 'tools/call', params: { name: '\n' } }, { error: { code: -32602, message: '' } }), ['error', 'tools/call', undefined, -32602])
  t.same(done({ method: 'made/up' }), ['ended', '_OTHER', undefined, undefined])
  t.match(all[0], { session: /^[\w-]{12}$/, endpoint: 'default', node: 'here', protocolVersion: '2025-11-25', durationMs: Number })
  t.notOk(JSON.stringify(all).includes('"id"'))
})
