import * as api from '@opentelemetry/api'
import t from 'tap'
import { hopField, spanContextOf, spanOfHop } from '../../lib/otel/trace-context.ts'
import { CLIENT, TRACEPARENT } from '../fixtures/otel.ts'

t.test('a traceparent is one by W3C Trace Context, and nothing else is', async t => {
  t.match(spanContextOf(api, TRACEPARENT, undefined), { ...CLIENT, isRemote: true })
  t.match(spanContextOf(api, TRACEPARENT.replace(/01$/, '00'), ''), { traceFlags: 0, traceState: undefined })
  t.equal(spanContextOf(api, TRACEPARENT, 'a=1,b=2')?.traceState?.get('b'), '2')
  t.match(spanContextOf(api, TRACEPARENT.replace('00', 'cc') + '-more', undefined), CLIENT, 'a later version may say more')
  for (const wrong of [
    undefined, null, 1, {}, [TRACEPARENT], '', 'x', `${TRACEPARENT}-more`, `${TRACEPARENT}\n`, ` ${TRACEPARENT}`, TRACEPARENT.toUpperCase(), TRACEPARENT.replace('00', 'ff'),
    `00-${'0'.repeat(32)}-${CLIENT.spanId}-01`, `00-${CLIENT.traceId}-${'0'.repeat(16)}-01`, `${TRACEPARENT}, ${TRACEPARENT}`
  ]) t.equal(spanContextOf(api, wrong, 'a=1'), undefined, JSON.stringify(wrong))
  t.equal(spanContextOf(api, TRACEPARENT, { a: 1 })?.traceState, undefined)
})

t.test('what one node says of its span another understands', async t => {
  for (const [tracestate, arrives] of [['', undefined], ['vendor=a,other=b', 'vendor=a,other=b'], [`vendor=${'x'.repeat(250)}`, undefined]] as const) {
    const span = spanContextOf(api, TRACEPARENT, tracestate)!
    const field = hopField(api, span)
    t.ok(field!.length <= 55 + 1 + 256)
    const there = spanOfHop(api, field)
    t.match(there, { ...CLIENT, isRemote: true })
    t.equal(there!.traceState?.serialize(), arrives)
  }
  t.equal(hopField(api, api.INVALID_SPAN_CONTEXT), undefined)
  t.equal(spanOfHop(api, undefined), undefined)
  t.equal(spanOfHop(api, 'nonsense a=1'), undefined)
})
