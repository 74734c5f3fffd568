import type { Calls } from './calls.ts'
import { failure, sessionEnded } from '../messages.ts'
import type { JsonRpcError, JsonRpcResult, RequestId } from '../messages.ts'
import type { Opening } from './opening.ts'
import type { PostAnswer } from './post-answer.ts'
import type { Memory } from '../takeover/memory.ts'
import type { SessionLog } from '../../http/session-log.ts'
import type { SessionVersions } from '../versions.ts'

interface ResponsesParts {
  calls: Calls
  versions: SessionVersions
  opening: Opening
  /** Undefined where nothing is remembered. */
  memory: Memory | undefined
  log: SessionLog
}

/** The ends of calls: their answers, and what follows from them for the session. */
export class Responses {
  readonly #parts: ResponsesParts

  constructor (parts: ResponsesParts) {
    this.#parts = parts
  }

  /** The server answers. Throws when the answer can't be serialized; the client then gets an error. */
  respond (response: JsonRpcResult | JsonRpcError): Promise<void> | undefined {
    const { calls, opening, memory, log } = this.#parts
    const id = response.id!
    const answer = calls.get(id)
    if (answer === undefined) {
      log.debug('a late response was dropped')
      return undefined
    }
    if (answer.initialize && 'result' in response) return this.#initialized(answer, response)
    calls.delete(id)
    if (answer.initialize) opening.refused()
    else if (memory !== undefined && 'result' in response) memory.accepted(answer.request(id))
    try {
      answer.respond(response)
    } catch (error) {
      answer.respond(failure(id, 'the result cannot be serialized'))
      throw error
    }
    return undefined
  }

  /** The server could not take a request. */
  fail (id: RequestId): void {
    const { calls, log } = this.#parts
    if (calls.has(id)) this.respond(failure(id, 'Internal error'))?.catch(error => log.error('a call could not be answered', { err: error }))
  }

  /** Answers a call because the session ends. */
  end (id: RequestId, answer: PostAnswer): void {
    this.#parts.calls.delete(id)
    if (answer.initialize) this.#parts.opening.refused()
    answer.fail(sessionEnded(id))
  }

  async #initialized (answer: PostAnswer, response: JsonRpcResult): Promise<void> {
    const { calls, opening, versions, log } = this.#parts
    const { id, result } = response
    let final: JsonRpcResult | JsonRpcError = response
    versions.negotiated = String(result['protocolVersion'])
    try {
      await opening.accepted(result)
    } catch (error) {
      log.error('a session could not be opened', { err: error })
      final = failure(id, 'Internal error')
    }
    // The session may have been closed in the meantime, and the call answered.
    if (calls.get(id) !== answer) return
    calls.delete(id)
    answer.respond(final)
  }
}
