import type { Attributes, Context, Span, SpanContext, SpanKind, TracerProvider } from '@opentelemetry/api'
import type { CallEnd, Traced, Tracer } from '../events/tracing.ts'
import { Few } from '../metrics/few.ts'
import { version } from '../version.ts'
import type { Api } from './api.ts'
import { askedOf, serverOf, short } from './attributes.ts'
import type { Asked } from './attributes.ts'
import { originOf } from './origin.ts'
import { hopField } from './trace-context.ts'

/** Names of tools and prompts that are in names of spans. */
const TARGETS = 200

interface Beginning {
  name: string
  kind: SpanKind
  endpoint: string
  session: string | undefined
  message: object | undefined
  asked?: Asked
  passedOn?: string | undefined
  attributes?: Attributes
}

interface Begun { span: Span, context: Context }

/** What became of a span, if it is an error. `type` is one of few. */
interface Failure { type: string, text?: string | undefined }

/** Makes the spans of the node with this id. */
export function tracerOf (api: Api, provider: TracerProvider, node: string): Tracer {
  const { SpanKind, SpanStatusCode, context: contexts, trace } = api
  const tracer = provider.getTracer('fastify-mcp-sticky', version())
  /** Clients may ask for any tool; one that has worked is known. */
  const known = new Few(TARGETS)

  const named = (method: string, target: string | undefined): string => target === undefined ? method : `${method} ${target}`

  function nameOf (method: string, target: string | undefined): string {
    const name = named(method, target)
    return known.known(name) === name ? name : method
  }

  function begin ({ name, kind, endpoint, session, message, asked, passedOn, attributes }: Beginning): Begun {
    const { context, links } = originOf(api, message, passedOn)
    // In one piece: objects with such keys are slow to put together.
    const common = {
      'mcp.method.name': asked?.method,
      'gen_ai.operation.name': kind === SpanKind.SERVER && asked?.method === 'tools/call' ? 'execute_tool' : undefined,
      'gen_ai.tool.name': asked?.tool,
      'gen_ai.prompt.name': asked?.prompt,
      'jsonrpc.request.id': asked?.id,
      'network.transport': asked && 'tcp',
      'network.protocol.name': asked && 'http',
      'mcp.session.id': session,
      'mcp.sticky.node': node,
      'mcp.sticky.endpoint': endpoint
    }
    const span = tracer.startSpan(name, { kind, links, attributes: common }, context)
    if (attributes !== undefined) span.setAttributes(attributes)
    return { span, context: trace.setSpan(context, span) }
  }

  function fail (span: Span, { type, text }: Failure): void {
    span.setAttribute('error.type', type)
    span.setStatus({ code: SpanStatusCode.ERROR, ...text !== undefined && { message: short(text) } })
  }

  function traced<End> (begin: () => Begun, end: (span: Span, end: End) => void): Traced<End> & { spanContext: SpanContext | undefined } {
    const begun = harmlessly(begin)
    return {
      spanContext: begun?.span.spanContext(),
      run: work => begun === undefined ? work() : contexts.with(begun.context, work),
      end: how => {
        if (begun !== undefined) {
          harmlessly(() => end(begun.span, how))
          harmlessly(() => begun.span.end())
        }
      }
    }
  }

  return {
    call ({ endpoint, session, request, passedOn }) {
      const asked = askedOf(request)
      const { method, tool, prompt } = asked
      const target = tool ?? prompt
      return traced(() => begin({ name: nameOf(method, target), kind: SpanKind.SERVER, endpoint, session, message: request, asked, passedOn }), (span, end: CallEnd) => {
        span.setAttribute('mcp.protocol.version', end.protocolVersion)
        if (end.error !== undefined) span.setAttribute('rpc.response.status_code', String(end.error.code))
        const failure = failureOf(end)
        if (failure !== undefined) return fail(span, failure)
        if (target !== undefined) known.admit(named(method, target))
        span.updateName(nameOf(method, target))
      })
    },

    hop ({ endpoint, session, message, to }) {
      const asked = askedOf(message)
      const name = `forward ${nameOf(asked.method, asked.tool ?? asked.prompt)}`
      const hop = traced(() => begin({ name, kind: SpanKind.CLIENT, endpoint, session, message, asked, attributes: serverOf(to) }), (span, { outcome, error }: { outcome: string, error?: Error | undefined }) => {
        span.setAttribute('mcp.sticky.outcome', outcome)
        // An answer that the owner has broken off was passed on as far as it went.
        if (error !== undefined) fail(span, { type: outcome === 'answered' ? 'lost' : outcome, text: error.message })
      })
      return { ...hop, trace: hop.spanContext && hopField(api, hop.spanContext) }
    },

    adoption ({ endpoint, session, from, message }) {
      const beginning = { name: 'adopt session', kind: SpanKind.INTERNAL, endpoint, session, message, attributes: { 'mcp.sticky.from': from } }
      return traced(() => begin(beginning), (span, { outcome, error }: { outcome: string, error?: Error | undefined }) => {
        span.setAttribute('mcp.sticky.outcome', outcome)
        if (error !== undefined) fail(span, { type: 'adoption_failed', text: error.message })
      })
    }
  }
}

/** The conventions want the code of an error, and `tool_error`; the others are ours. */
function failureOf ({ outcome, error, refused }: CallEnd): Failure | undefined {
  if (outcome === 'result') return undefined
  return { type: refused ?? (error === undefined ? outcome : String(error.code)), text: error?.message }
}

/** A processor or a sampler of the application's that throws must not end a call. */
function harmlessly<T> (work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    process.emitWarning(`a span could not be made: ${error instanceof Error ? error.stack ?? error.message : String(error)}`, 'FastifyMcpStickyWarning')
    return undefined
  }
}
