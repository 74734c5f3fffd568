import { sessionName } from '../session-id.ts'
import { askedFor } from './asked-for.ts'
import type { Events } from './events.ts'
import type { Outcome } from './kinds.ts'

/** An answer of JSON-RPC, as far as it is looked at here. */
interface Answer { result?: { isError?: unknown } | undefined, error?: { code: number } | undefined }

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

  /** A call that began at `begun` has ended. No answer: its session was over, or its client had left. */
  done (begun: number, request: { method: string }, answer: object | undefined, protocolVersion: string): void {
    const { events, endpoint, sessionId } = this.#parts
    if (begun === 0 || !events.heard('request.done')) return
    if (sessionId !== undefined) this.#name ??= sessionName(sessionId)
    const { result, error } = (answer ?? {}) as Answer
    const { method = request.method, tool } = askedFor(request)
    events.emit('request.done', {
      endpoint,
      ...this.#name !== undefined && { session: this.#name },
      method,
      ...tool !== undefined && { tool },
      protocolVersion,
      outcome: outcomeOf(answer, error, result),
      ...error !== undefined && { errorCode: error.code },
      durationMs: performance.now() - begun
    })
  }
}

function outcomeOf (answer: object | undefined, error: Answer['error'], result: Answer['result']): Outcome {
  if (answer === undefined) return 'ended'
  if (error !== undefined) return 'error'
  return result?.isError === true ? 'tool_error' : 'result'
}
