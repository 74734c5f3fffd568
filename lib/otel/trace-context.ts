import type { SpanContext } from '@opentelemetry/api'
import type { Api } from './api.ts'

/** Version, trace, span, flags, and what a later version may add (W3C Trace Context, traceparent Header). */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
/** Characters of `tracestate` that a hop has room for, besides its other fields. */
const ROOM = 256

/** The span that a `traceparent` names, with its `tracestate`. Undefined for anything that is none. */
export function spanContextOf ({ isSpanContextValid, createTraceState }: Api, traceparent: unknown, tracestate: unknown): SpanContext | undefined {
  const [, version, traceId, spanId, flags, more] = (typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent) : undefined) ?? []
  if (traceId === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  const context: SpanContext = {
    traceId,
    spanId: spanId!,
    traceFlags: parseInt(flags!, 16),
    isRemote: true,
    ...typeof tracestate === 'string' && tracestate !== '' && { traceState: createTraceState(tracestate) }
  }
  return isSpanContextValid(context) ? context : undefined
}

/** What another node is told of a span: `traceparent`, then a space and `tracestate`, which is left out where it is long. Undefined for a span that is none. */
export function hopField ({ isSpanContextValid }: Api, span: SpanContext): string | undefined {
  if (!isSpanContextValid(span)) return undefined
  const traceparent = `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, '0')}`
  const tracestate = span.traceState?.serialize() ?? ''
  return tracestate === '' || tracestate.length > ROOM ? traceparent : `${traceparent} ${tracestate}`
}

/** The span of another node, as that node has told of it. */
export function spanOfHop (api: Api, field: string | undefined): SpanContext | undefined {
  const [, traceparent, tracestate] = /^(\S+)(?: (.*))?$/.exec(field ?? '') ?? []
  return spanContextOf(api, traceparent, tracestate)
}
