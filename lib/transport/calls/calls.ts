import { isRequest } from '../messages.ts'
import type { JsonRpcMessage, RequestId } from '../messages.ts'
import type { PostAnswer } from './post-answer.ts'

/** The client's requests that have no answer yet, by their ids. */
export class Calls extends Map<RequestId, PostAnswer> {
  #idle: Array<() => void> | undefined

  /** An id among these requests that is in use already, in flight or twice among them. */
  inUse (messages: JsonRpcMessage[]): RequestId | undefined {
    const ids = messages.length === 1 ? undefined : new Set<RequestId>()
    for (const message of messages) {
      if (!isRequest(message)) continue
      if (this.has(message.id) || ids?.has(message.id) === true) return message.id
      ids?.add(message.id)
    }
    return undefined
  }

  override delete (id: RequestId): boolean {
    const deleted = super.delete(id)
    if (this.#idle !== undefined && this.size === 0) {
      for (const resolve of this.#idle) resolve()
      this.#idle = undefined
    }
    return deleted
  }

  /** Resolves when no call is in flight, at once if none is. */
  async idle (): Promise<void> {
    if (this.size > 0) await new Promise<void>(resolve => (this.#idle ??= []).push(resolve))
  }
}
