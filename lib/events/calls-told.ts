import { sessionName } from '../session-id.ts'
import { askedFor } from './asked-for.ts'
import type { Events } from './events.ts'
import type { Outcome } from './kinds.ts'
import type { CallEnd, Traced } from './tracing.ts'

/** An answer of JSON-RPC, as far as it is looked at here. */
interface Answer { result?: { isError?: unknown } | undefined, error?: { code: number, message: string } | undefined }

interface CallsToldParts {
  events: Events
  /** The endpoint's name. */
  endpoint: string
  /** Undefined in the era without sessions. */
  sessionId?: string | undefined
}

/** Tells of the calls of a session, or of the era without sessions, as they end. */
export class CallsTold {
  readonly #parts: CallsToldParts
  #name: string | undefined

  constructor (parts: CallsToldParts) {
    this.#parts = parts
  }

  /** When a call begins: performance.now(), or 0 when nobody will hear of it. */
  begin (): number {
    return this.#parts.events.heard('request.done') ? performance.now() : 0
  }

  /** The spans of calls that begin, one each; undefined where nobody traces. `exchange`: how they have come here. */
  trace (requests: readonly object[], exchange: { readonly trace?: string | undefined }): Array<Traced<CallEnd>> | undefined {
    const { events: { tracing: { tracer } }, endpoint } = this.#parts
    return tracer && requests.map(request => tracer.call({ endpoint, session: this.#session, request, passedOn: exchange.trace }))
  }

  /** A call that began at `begun` has ended. No answer: its session was over, or its client had left. */
  done (begun: number, request: { method: string }, answer: object | undefined, protocolVersion: string, span?: Traced<CallEnd>): void {
    const { events, endpoint } = this.#parts
    const heard = begun > 0 && events.heard('request.done')
    if (!heard && span === undefined) return
    const { result, error } = (answer ?? {}) as Answer
    const outcome = outcomeOf(answer, error, result)
    span?.end({ outcome, protocolVersion, error })
    if (!heard) return
    const session = this.#session
    const { method = request.method, tool } = askedFor(request)
    events.emit('request.done', {
      endpoint,
      ...session !== undefined && { session },
      method,
      ...tool !== undefined && { tool },
      protocolVersion,
      outcome,
      ...error !== undefined && { errorCode: error.code },
      durationMs: performance.now() - begun
    })
  }

  /** The session's public name. */
  get #session (): string | undefined {
    const { sessionId } = this.#parts
    if (sessionId !== undefined) this.#name ??= sessionName(sessionId)
    return this.#name
  }
}

function outcomeOf (answer: object | undefined, error: Answer['error'], result: Answer['result']): Outcome {
  if (answer === undefined) return 'ended'
  if (error !== undefined) return 'error'
  return result?.isError === true ? 'tool_error' : 'result'
}
