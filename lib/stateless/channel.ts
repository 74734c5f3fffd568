import type { JsonRpcError, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, JsonRpcResult } from '../transport/messages.ts'
import { Scopes } from '../transport/scopes.ts'
import type { Resolver } from '../transport/scopes.ts'
import type { RequestExtra } from './extra.ts'

/** Who asked a server something: a client's call, or this node itself. */
export interface Asker {
  /** Its own id; never seen by the server. */
  readonly request: JsonRpcRequest
  /** Its id inside the server; 0 while it has none. The channel's own. */
  inside: number
  /** The server is being handed the request: what it says now, it says before any handler runs. */
  dispatching: boolean
  /** The answer, with the id of the request. Must not throw. */
  respond: (response: JsonRpcResult | JsonRpcError) => void
  /** Something about the request, before its answer. The promise settles when the client has taken it. */
  notify: (notification: JsonRpcNotification) => Promise<void> | undefined
  /** The server has gone. */
  abandoned: () => void
}

const DONE = Promise.resolve()

/**
 * What a server object is connected to: the SDK's Transport interface, for any
 * number of requests at once. Each has an id of its own inside, so that clients
 * who all count from 1 never meet, and nothing that a client names reaches
 * another's request.
 */
export class Channel {
  onmessage: ((message: JsonRpcMessage, extra?: unknown) => void) | undefined
  onclose: (() => void) | undefined
  onerror: ((error: Error) => void) | undefined
  /** Called with what the server says about no request: lists that have changed, for example. */
  onUnrelated: ((notification: JsonRpcNotification) => void) | undefined
  /** What the server wants of callers, before anything is handed to it. */
  readonly scopes = new Scopes()
  readonly #asking = new Map<number, Asker>()
  #next = 1
  #closed = false

  get closed (): boolean { return this.#closed }

  async start (): Promise<void> {}

  /** SDK 2.x: McpServer says who may call what. */
  setScopeChallengeResolver (resolver: Resolver): void {
    this.scopes.resolver = resolver
  }

  /** Hands a request to the server. */
  ask (asker: Asker, message: JsonRpcRequest, extra: RequestExtra | undefined): void {
    const id = this.#next++
    this.#asking.set(id, asker)
    asker.inside = id
    asker.dispatching = true
    try {
      this.onmessage!({ jsonrpc: '2.0', id, method: message.method, ...(message.params !== undefined && { params: message.params }) }, extra)
    } finally {
      asker.dispatching = false
    }
  }

  /** Nobody waits for the answer any more: the handler's signal aborts. The id is ours, and no client's. */
  cancel (asker: Asker): void {
    const id = asker.inside
    if (id === 0) return
    this.#forget(asker)
    if (!this.#closed) this.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'the client has closed the connection' } })
  }

  /** What the server says. A question to the client is refused: the revision has none (Streamable HTTP, Receiving Messages). */
  send (message: JsonRpcMessage, options?: { relatedRequestId?: unknown }): Promise<void> {
    if ('method' in message) {
      if ('id' in message) return Promise.reject(new Error(`${message.method} cannot be sent: a server asks nothing in the stateless era, it returns input_required`))
      const asker = this.#asking.get(options?.relatedRequestId as number)
      if (asker !== undefined) return asker.notify(message) ?? DONE
      this.onUnrelated?.(message)
      return DONE
    }
    const asker = this.#asking.get(message.id as number)
    if (asker === undefined) return DONE
    this.#forget(asker)
    asker.respond({ ...message, id: asker.request.id })
    return DONE
  }

  /** The server ends, or is ended: what it was asked will have no answer. */
  async close (): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const left = [...this.#asking.values()]
    for (const asker of left) this.#forget(asker)
    try {
      this.onclose?.()
    } finally {
      for (const asker of left) asker.abandoned()
    }
  }

  #forget (asker: Asker): void {
    this.#asking.delete(asker.inside)
    asker.inside = 0
  }
}
