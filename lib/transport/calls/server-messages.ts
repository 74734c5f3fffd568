import { NoStreamError } from '../../errors.ts'
import { ServerRequests } from './server-requests.ts'
import type { JsonRpcNotification, JsonRpcRequest, RequestId } from '../messages.ts'
import type { PostAnswer, ResponseMode } from './post-answer.ts'
import type { SessionStreams } from '../streams/session-streams.ts'
import type { SseStream } from '../streams/sse-stream.ts'

/** What the server's messages need of their session. */
interface ServerMessagesHost {
  readonly responseMode: ResponseMode
  readonly calls: ReadonlyMap<RequestId, PostAnswer>
  /** A message that the client will not get. */
  dropped: (what: string) => void
}

/**
 * Where the requests and notifications of the server go: what belongs to a
 * call to the answer of its POST, the rest to a standalone stream; each
 * message to one stream alone.
 */
export class ServerMessages {
  /** The server's requests, and their ids on the wire. */
  readonly asked: ServerRequests
  readonly #host: ServerMessagesHost
  readonly #streams: SessionStreams

  /** `token` is the server object's own; see ServerRequests. */
  constructor (token: string, host: ServerMessagesHost, streams: SessionStreams) {
    this.asked = new ServerRequests(token)
    this.#host = host
    this.#streams = streams
  }

  /** @throws NoStreamError for a request about a call that no stream can carry. */
  send (message: JsonRpcRequest | JsonRpcNotification, related: RequestId | undefined): Promise<void> | undefined {
    if ('id' in message) return this.#ask(message, related)
    if (message.method === 'notifications/cancelled') return this.#giveUp(message, related)
    return this.#notify(message, related)
  }

  #ask (message: JsonRpcRequest, related: RequestId | undefined): Promise<void> | undefined {
    const request = this.asked.outbound(message)
    if (related === undefined) {
      this.asked.sent(message.id, this.#streams.newest)
      return this.#streams.standalone.send(request)
    }
    const stream = this.#carrier(this.#host.calls.get(related))
    // The handler waits for the answer: it should learn at once that none will come.
    if (stream === undefined) throw new NoStreamError(message.method)
    this.asked.sent(message.id, stream)
    return stream.send(request)
  }

  /** The server no longer waits for an answer. */
  #giveUp (message: JsonRpcNotification, related: RequestId | undefined): Promise<void> | undefined {
    const { message: cancellation, stream } = this.asked.cancelled(message)
    if (stream?.reachable === true) return stream.send(cancellation)
    if (this.#streams.standalone.withdraw(cancellation.params?.['requestId'])) return undefined
    return this.#notify(cancellation, related)
  }

  #notify (message: JsonRpcNotification, related: RequestId | undefined): Promise<void> | undefined {
    if (related === undefined) return this.#streams.standalone.send(message)
    const answer = this.#host.calls.get(related)
    // A server may greet its client while it answers initialize, before any stream can be there.
    if (answer?.initialize === true) return this.#streams.standalone.send(message)
    // Progress stops with the call (spec 2025-11-25, Progress).
    const late = answer === undefined && message.method === 'notifications/progress'
    const stream = late ? undefined : this.#carrier(answer)
    if (stream === undefined) {
      this.#host.dropped(message.method)
      return undefined
    }
    return stream.send(message)
  }

  /** The stream for a message about a call. Where the call's answer is no stream, or over, it is the newest standalone one. */
  #carrier (answer: PostAnswer | undefined): SseStream | undefined {
    return answer === undefined || this.#host.responseMode === 'json' ? this.#streams.newest : answer.channel()
  }
}
