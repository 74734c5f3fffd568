import { LRUCache } from 'lru-cache'
import type { JsonRpcError, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, JsonRpcResult, RequestId } from '../messages.ts'
import type { SseStream } from '../streams/sse-stream.ts'

/** Requests that the client never answers and the server never cancels are forgotten from here on, oldest first. */
const MAX_PENDING = 1000
/** Not `max`: that makes the room for all of them beforehand, 24 KB a session. */
const ROOM = { maxSize: MAX_PENDING, sizeCalculation: () => 1 }

/**
 * The server's own requests to the client, and their ids on the wire.
 *
 * An SDK server counts from 0 in each of its objects. On the wire an id is
 * `<token>-<the SDK's>`, with a token of the server object's own, so that an answer to a question of another
 * never resolves one of this. Messages are copied, never changed:
 * the SDK may look at them again.
 */
export class ServerRequests {
  readonly #prefix: string
  /** There is none while the client owes no answer: many sessions never ask. */
  #pending: LRUCache<RequestId, { stream: SseStream | undefined }> | undefined

  constructor (token: string) {
    this.#prefix = `${token}-`
  }

  /** The request as the client gets it, with the progress token that the SDK made of its id. */
  outbound (request: JsonRpcRequest): JsonRpcRequest {
    const { id, params } = request
    const wire = this.#wire(id)
    const meta = params?.['_meta'] as { progressToken?: unknown } | undefined
    if (meta?.progressToken !== id) return { ...request, id: wire }
    return { ...request, id: wire, params: { ...params, _meta: { ...meta, progressToken: wire } } }
  }

  /** The request is on its way, on this stream or in the queue for one. */
  sent (id: RequestId, stream: SseStream | undefined): void {
    this.#pending ??= new LRUCache(ROOM)
    this.#pending.set(id, { stream })
  }

  /** The server gives a request up: its cancellation for the wire, and the stream that carried the request. */
  cancelled (notification: JsonRpcNotification): { message: JsonRpcNotification, stream: SseStream | undefined } {
    const id = notification.params?.['requestId'] as RequestId
    const pending = this.#pending?.peek(id)
    if (pending === undefined) return { message: notification, stream: undefined }
    this.#over(id)
    return { message: { ...notification, params: { ...notification.params, requestId: this.#wire(id) } }, stream: pending.stream }
  }

  /** The client's answer as the SDK expects it; undefined when nothing waits for it. */
  answered (answer: JsonRpcResult | JsonRpcError): JsonRpcMessage | undefined {
    const id = this.#own(answer.id)
    if (id === undefined || !this.#over(id)) return undefined
    return { ...answer, id } as JsonRpcMessage
  }

  /** A progress notification of the client, with the SDK's own token. */
  progressed (notification: JsonRpcNotification): JsonRpcNotification {
    const token = this.#own(notification.params?.['progressToken'])
    return token === undefined ? notification : { ...notification, params: { ...notification.params, progressToken: token } }
  }

  /** Whether it was pending. */
  #over (id: RequestId): boolean {
    const was = this.#pending?.delete(id) === true
    if (this.#pending?.size === 0) this.#pending = undefined
    return was
  }

  #wire (id: RequestId): string {
    return this.#prefix + JSON.stringify(id)
  }

  #own (wire: unknown): RequestId | undefined {
    if (typeof wire !== 'string' || !wire.startsWith(this.#prefix)) return undefined
    const rest = wire.slice(this.#prefix.length)
    try {
      const id: unknown = JSON.parse(rest)
      return typeof id === 'string' || Number.isSafeInteger(id) ? id as RequestId : undefined
    } catch {
      return undefined
    }
  }
}
