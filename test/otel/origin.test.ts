import * as api from '@opentelemetry/api'
import { context, propagation, trace } from '@opentelemetry/api'
import t from 'tap'
import { originOf } from '../../lib/otel/origin.ts'
import { callWith, CLIENT, followContexts, TRACEPARENT } from '../fixtures/otel.ts'

followContexts()

const HTTP = { traceId: CLIENT.traceId, spanId: '1111111111111111', traceFlags: 1 }
const HOP = { traceId: CLIENT.traceId, spanId: '2222222222222222', traceFlags: 1 }
const FIELD = `00-${HOP.traceId}-${HOP.spanId}-01`
const traced = callWith('add', { traceparent: TRACEPARENT, tracestate: 'a=1' })
const untraced = callWith('add', {})

/** Whose child a span would be, and its links. */
function found (http: boolean, message: object | undefined, passedOn?: string): unknown {
  const active = http ? trace.setSpanContext(context.active(), HTTP) : context.active()
  const { context: of, links } = context.with(active, () => originOf(api, message, passedOn))
  return [trace.getSpanContext(of)?.spanId, ...links.map(({ context }) => context.spanId)]
}

t.test('the parent is the client\'s span, else the hop, else the HTTP request; the others are links', async t => {
  t.strictSame(found(true, traced, FIELD), [CLIENT.spanId, HOP.spanId, HTTP.spanId])
  t.strictSame(found(true, traced), [CLIENT.spanId, HTTP.spanId])
  t.strictSame(found(false, traced), [CLIENT.spanId])
  t.strictSame(found(true, untraced, FIELD), [HOP.spanId, HTTP.spanId])
  t.strictSame(found(false, untraced, FIELD), [HOP.spanId])
  t.strictSame(found(true, untraced), [HTTP.spanId])
  t.strictSame(found(false, untraced), [undefined])
  t.strictSame(found(true, undefined), [HTTP.spanId])
})

t.test('what is no message has no parent in it', async t => {
  for (const message of [{}, [], { params: null }, { params: 'x' }, { params: { _meta: null } }, { params: { _meta: 'x' } }, { params: { _meta: { traceparent: {} } } }]) t.strictSame(found(false, message), [undefined])
})

t.test('the parent is remote, and has its tracestate', async t => {
  t.match(trace.getSpanContext(originOf(api, traced).context), { isRemote: true, traceState: { serialize: Function } })
  t.equal(trace.getSpanContext(originOf(api, traced).context)!.traceState!.serialize(), 'a=1')
})

t.test('no baggage is in the context, wherever it came from', async t => {
  const active = propagation.setBaggage(trace.setSpanContext(context.active(), HTTP), propagation.createBaggage({ user: { value: 'alice' } }))
  for (const message of [untraced, callWith('add', { traceparent: TRACEPARENT, baggage: 'user=alice' })]) {
    t.equal(propagation.getBaggage(context.with(active, () => originOf(api, message)).context), undefined)
  }
  const key = api.createContextKey('own')
  t.equal(context.with(active.setValue(key, 1), () => originOf(api, traced)).context.getValue(key), 1, 'what else is there stays')
})
