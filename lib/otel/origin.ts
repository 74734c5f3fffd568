import type { Context, Link, SpanContext } from '@opentelemetry/api'
import type { Api } from './api.ts'
import { spanContextOf, spanOfHop } from './trace-context.ts'

/** Where a span comes from. */
export interface Origin {
  /** Has its parent, and no baggage: what is in there came from the client. */
  context: Context
  /** What else has led to it. */
  links: Link[]
}

/**
 * The parent of a span that is made for a message: the span that the client names
 * in `params._meta` (MCP's conventions for OpenTelemetry, Context propagation), else
 * the hop that brought the message, else the span that is active, which is the HTTP
 * request's. Those that are not the parent are links. `passedOn`: what the node that has passed it on says of its span.
 */
export function originOf (api: Api, message: object | undefined, passedOn?: string): Origin {
  const { context, trace, propagation, isSpanContextValid } = api
  const active = context.active()
  const bare = propagation.deleteBaggage(active)
  const ambient = trace.getSpanContext(active)
  const http = ambient !== undefined && isSpanContextValid(ambient) ? ambient : undefined
  const client = spanOfClient(api, message)
  const hop = spanOfHop(api, passedOn)
  const parent = client ?? hop ?? http
  return {
    context: parent === undefined || parent === http ? bare : trace.setSpanContext(bare, parent),
    links: [hop, http].filter(span => span !== undefined && span !== parent).map(context => ({ context: context! }))
  }
}

function spanOfClient (api: Api, message: object | undefined): SpanContext | undefined {
  const { params } = (message ?? {}) as { params?: { _meta?: { traceparent?: unknown, tracestate?: unknown } | null } | null }
  return spanContextOf(api, params?._meta?.traceparent, params?._meta?.tracestate)
}
