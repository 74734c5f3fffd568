import t from 'tap'
import { CallsTold } from '../../lib/events/calls-told.ts'
import { NodeEvents } from '../../lib/events/events.ts'
import { tracingOf } from '../../lib/events/tracing.ts'
import type { CallEnd, Tracer } from '../../lib/events/tracing.ts'
import { keptLog } from '../fixtures/log.ts'

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }

t.test('each application has a place for who traces it', async t => {
  const [a, b] = [{}, {}]
  t.equal(tracingOf(a), tracingOf(a))
  t.not(tracingOf(a), tracingOf(b))
  t.equal(tracingOf(a).tracer, undefined)
})

t.test('calls are traced while somebody does, each to its own end', async t => {
  const tracing = tracingOf({})
  const told = new CallsTold({ events: new NodeEvents({ node: 'here', log: keptLog() as never, tracing }), endpoint: 'default', sessionId: 'id' })
  t.equal(told.trace([ping], {}), undefined)
  const begun: unknown[] = []
  const ends: CallEnd[] = []
  const call: Tracer['call'] = facts => {
    begun.push(facts)
    return { run: work => work(), end: end => { ends.push(end) } }
  }
  tracing.tracer = { call } as Tracer
  const spans = told.trace([ping, { ...ping, id: 2 }], { trace: 'a hop' })!
  t.match(begun, [{ endpoint: 'default', session: /^[\w-]{12}$/, request: ping, passedOn: 'a hop' }, { request: { id: 2 } }])
  tracing.tracer = undefined
  for (const [i, answer] of [{ result: {} }, { error: { code: -32601, message: 'no' } }].entries()) told.done(0, ping, answer, '2025-11-25', spans[i])
  told.done(0, ping, undefined, '2025-11-25', spans[0])
  t.match(ends, [{ outcome: 'result', protocolVersion: '2025-11-25', error: undefined }, { outcome: 'error', error: { code: -32601, message: 'no' } }, { outcome: 'ended' }])
  t.equal(told.trace([ping], {}), undefined)
})
