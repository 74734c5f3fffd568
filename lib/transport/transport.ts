import { NoStreamError, SessionEndedError } from '../errors.ts'
import { shortId } from '../session-id.ts'
import type { AnswerWait } from './answer-wait.ts'
import { ClientRequests } from './client-requests.ts'
import type { Exchange } from './exchange.ts'
import type { MessageExtra } from './extra.ts'
import type { KeepAlive } from './keep-alive.ts'
import type { EventStore } from './mcp-server.ts'
import type { JsonRpcError, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, JsonRpcResult, RequestId } from './messages.ts'
import { PostAnswer } from './post-answer.ts'
import type { AnswerHost, ResponseMode } from './post-answer.ts'
import { StreamNames, streamOfEvent } from './resumption.ts'
import { SseStream } from './sse-stream.ts'
import type { StreamHost, TransportLog } from './sse-stream.ts'
import { StandaloneStreams } from './standalone-streams.ts'
import { SESSIONFUL_VERSIONS, sessionfulOf, understandsPriming } from './versions.ts'

const DONE = Promise.resolve()

export interface TransportOptions {
  sessionId: string
  /** This incarnation's token; it makes the ids of server-to-client requests unique. */
  epoch: string
  responseMode: ResponseMode
  eventStore?: EventStore | undefined
  /** Milliseconds that a client should wait before it resumes a stream. */
  retry?: number | undefined
  /** Shared by the node's transports. */
  waits: AnswerWait
  /** Shared by the node's transports. */
  keepAlive: KeepAlive
  log: TransportLog
  /**
   * The server accepted initialize. Its answer, whose headers carry the
   * session id, waits for this; a rejection turns it into an error.
   */
  onInitialized?: (result: Record<string, unknown>) => Promise<void> | void
  /**
   * initialize is about to be answered with an error of the server's: there is
   * no session. Exactly one of the two is called.
   */
  onInitializeFailed?: () => void
}

/**
 * One session's Streamable HTTP (spec 2025-11-25, Transports): on one side the
 * Transport that a server of SDK 1.x or 2.x connects to, on the other the
 * requests of the session's client.
 */
export class StreamableHttpTransport implements StreamHost, AnswerHost {
  readonly sessionId: string
  readonly responseMode: ResponseMode
  readonly eventStore: EventStore | undefined
  readonly retry: number | undefined
  readonly waits: AnswerWait
  readonly keepAlive: KeepAlive
  readonly log: TransportLog

  onmessage: ((message: any, extra?: any) => void) | undefined
  onclose: (() => void) | undefined
  onerror: ((error: Error) => void) | undefined

  readonly #epoch: string
  readonly #onInitialized: TransportOptions['onInitialized']
  readonly #onInitializeFailed: TransportOptions['onInitializeFailed']
  readonly #calls = new Map<RequestId, PostAnswer>()
  readonly #open = new Set<SseStream>()
  /** Streams of POSTs that the event store knows and that are not finished. */
  #posts: Map<string, SseStream> | undefined
  #standalone: StandaloneStreams | undefined
  #asked: ClientRequests | undefined
  #names: StreamNames | undefined
  #versions = SESSIONFUL_VERSIONS
  #protocolVersion: string | undefined
  #closed = false

  constructor (options: TransportOptions) {
    this.sessionId = options.sessionId
    this.responseMode = options.responseMode
    this.eventStore = options.eventStore
    this.retry = options.retry
    this.waits = options.waits
    this.keepAlive = options.keepAlive
    this.log = options.log
    this.#epoch = options.epoch
    this.#onInitialized = options.onInitialized
    this.#onInitializeFailed = options.onInitializeFailed
  }

  // What the routes ask.

  get label (): string { return shortId(this.sessionId) }
  /** A call is in flight. */
  get busy (): boolean { return this.#calls.size > 0 }
  /** Open SSE streams of all kinds. */
  get streams (): number { return this.#open.size }
  /** The negotiated version; until initialize is answered, the newest one with sessions. */
  get protocolVersion (): string { return this.#protocolVersion ?? SESSIONFUL_VERSIONS[0]! }
  /** Values of the MCP-Protocol-Version header that the session takes. */
  get acceptedVersions (): readonly string[] { return this.#versions }

  /** Whether the session takes this MCP-Protocol-Version header; without one its own version holds. */
  acceptsVersion (header: string | undefined): boolean {
    return header === undefined || header === this.#protocolVersion || this.#versions.includes(header)
  }

  /** An id among these requests that is in use already, in flight or twice among them. */
  idInUse (messages: JsonRpcMessage[]): RequestId | undefined {
    if (messages.length === 1) {
      const message = messages[0]!
      return isRequest(message) && this.#calls.has(message.id) ? message.id : undefined
    }
    const ids = new Set<RequestId>()
    for (const message of messages) {
      if (!isRequest(message)) continue
      if (ids.has(message.id) || this.#calls.has(message.id)) return message.id
      ids.add(message.id)
    }
    return undefined
  }

  // What the client sends.

  /** The messages of one POST. Requests must have passed `idInUse`. */
  post (messages: JsonRpcMessage[], batch: boolean, exchange: Exchange, extra: MessageExtra): void {
    const requests = messages.filter(isRequest)
    if (requests.length === 0) {
      exchange.accepted()
    } else {
      const ids = batch ? requests.map(request => request.id) : undefined
      const answer = new PostAnswer(this, exchange, ids, requests[0]!.method === 'initialize')
      for (const { id } of requests) this.#calls.set(id, answer)
      if (this.#closed) return this.#answerCalls(sessionEnded)
      answer.begin()
    }
    for (const message of messages) this.#receive(message, extra)
  }

  /** A GET: a standalone stream. */
  get (exchange: Exchange): void {
    const stream = new SseStream(this, this.#name('get'), this.#standaloneStreams())
    stream.open(exchange.stream(), understandsPriming(this.#protocolVersion))
  }

  /**
   * A GET with Last-Event-ID: the rest of a stream of this session, then the
   * stream itself if it is still going. `unknown`, with the exchange untouched,
   * when the event isn't this session's.
   */
  async resume (lastEventId: string, exchange: Exchange): Promise<'resumed' | 'unknown'> {
    const store = this.eventStore
    if (store === undefined || this.#closed) return 'unknown'
    let name: string | undefined
    try {
      name = await streamOfEvent(store, lastEventId)
    } catch (error) {
      this.log.warn({ session: this.label, err: error }, 'the event store failed; a stream could not be resumed')
    }
    const kind = name === undefined ? undefined : this.#streamNames().kindOf(name)
    if (name === undefined || kind === undefined || this.#closed) return 'unknown'
    await this.#stream(name, kind).resume(exchange, lastEventId, store)
    return 'resumed'
  }

  /** Ends every stream, for a shutdown: calls that had begun to stream get an error first. */
  endStreams (): void {
    for (const [id, answer] of this.#calls) {
      if (!answer.streaming) continue
      this.#calls.delete(id)
      answer.respond(sessionEnded(id), false)
    }
    for (const stream of this.#open) stream.suspend()
  }

  // What the SDK's server does.

  async start (): Promise<void> {}

  /** SDK 2.x says what its server negotiates. Revisions without sessions are not this transport's. */
  setSupportedProtocolVersions (versions: string[]): void {
    this.#versions = sessionfulOf(versions)
  }

  /**
   * Sends what the server says. Settles when the client has taken it, where it
   * is too slow for that to be at once.
   * @throws NoStreamError for a request that no stream can carry, SessionEndedError after `close`.
   */
  send (message: JsonRpcMessage, options?: { relatedRequestId?: RequestId | undefined }): Promise<void> {
    try {
      if (!('method' in message)) return this.#respond(message) ?? DONE
      if (this.#closed) throw new SessionEndedError()
      return this.#say(message, options?.relatedRequestId) ?? DONE
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Ends the session: its streams, and its calls with an error. Never throws. */
  async close (): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#answerCalls(sessionEnded)
    for (const stream of this.#open) stream.finish()
    try {
      this.onclose?.()
    } catch (error) {
      this.log.warn({ session: this.label, err: error }, 'the server failed as its session closed')
    }
  }

  // What the streams and answers of the session ask.

  connected (stream: SseStream): void { this.#open.add(stream) }
  disconnected (stream: SseStream): void { this.#open.delete(stream) }
  lost (what: string): void { this.log.debug({ session: this.label }, `${what} was dropped: no stream could carry it`) }

  openStream (exchange: Exchange, prime: boolean): SseStream {
    const name = prime ? this.#name('post') : undefined
    const stream = new SseStream(this, name)
    if (name !== undefined) (this.#posts ??= new Map()).set(name, stream)
    stream.open(exchange.stream(), prime && understandsPriming(this.#protocolVersion))
    return stream
  }

  closeStream (stream: SseStream): void {
    stream.finish(() => { if (stream.name !== undefined) this.#posts?.delete(stream.name) })
  }

  #receive (message: JsonRpcMessage, extra: MessageExtra): void {
    if (!('method' in message)) {
      const answer = this.#asked?.answered(message)
      if (answer === undefined) this.log.debug({ session: this.label }, 'an answer to no open question was dropped')
      else this.#deliver(answer, extra)
    } else if ('id' in message) {
      if (!this.#deliver(message, this.#extraOf(message, extra))) this.#fail(message.id, 'Internal error')
    } else if (message.method === 'notifications/cancelled') {
      this.#cancelled(message, extra)
    } else {
      this.#deliver(message.method === 'notifications/progress' && this.#asked !== undefined ? this.#asked.progressed(message) : message, extra)
    }
  }

  /** False when the server could not even take the message. */
  #deliver (message: JsonRpcMessage, extra: MessageExtra): boolean {
    try {
      if (this.onmessage === undefined) throw new Error('no server is connected')
      this.onmessage(message, extra)
      return true
    } catch (error) {
      this.log.error({ session: this.label, err: error }, 'the server failed to take a message')
      return false
    }
  }

  /** A client that can resume lets the handler close its streams. */
  #extraOf ({ id }: JsonRpcRequest, extra: MessageExtra): MessageExtra {
    if (this.eventStore === undefined || !understandsPriming(this.#protocolVersion)) return extra
    return extra.resumable(
      this.responseMode === 'json' ? undefined : () => this.#calls.get(id)?.suspend(),
      () => this.#standalone?.newest?.suspend()
    )
  }

  /** The client gives a call up. The server hears of it, and says nothing more about the call. */
  #cancelled (notification: JsonRpcNotification, extra: MessageExtra): void {
    const { requestId: id, reason } = notification.params ?? {}
    const answer = this.#calls.get(id as RequestId)
    // An initialize must not be cancelled (spec 2025-11-25, Cancellation).
    if (answer?.initialize === true) return
    this.#deliver(notification, extra)
    // The SDKs ignore a notification whose reason is not text.
    if (answer === undefined || (reason !== undefined && typeof reason !== 'string')) return
    this.#calls.delete(id as RequestId)
    answer.cancel(id as RequestId)
  }

  #respond (response: JsonRpcResult | JsonRpcError): Promise<void> | undefined {
    const answer = this.#calls.get(response.id!)
    if (answer === undefined) {
      this.lost('a late response')
      return undefined
    }
    if (answer.initialize && 'result' in response) return this.#initialized(answer, response)
    this.#calls.delete(response.id!)
    if (answer.initialize) this.#onInitializeFailed?.()
    try {
      answer.respond(response)
    } catch (error) {
      answer.respond(failure(response.id!, 'the result cannot be serialized'))
      throw error
    }
    return undefined
  }

  async #initialized (answer: PostAnswer, response: JsonRpcResult): Promise<void> {
    const { id, result } = response
    let final: JsonRpcResult | JsonRpcError = response
    this.#protocolVersion = String(result['protocolVersion'])
    try {
      await this.#onInitialized?.(result)
    } catch (error) {
      this.log.error({ session: this.label, err: error }, 'a session could not be opened')
      final = failure(id, 'Internal error')
    }
    // The session may have been closed in the meantime, and the call answered.
    if (this.#calls.get(id) !== answer) return
    this.#calls.delete(id)
    answer.respond(final)
  }

  /** A request or notification of the server. */
  #say (message: JsonRpcRequest | JsonRpcNotification, related: RequestId | undefined): Promise<void> | undefined {
    if ('id' in message) return this.#ask(message, related)
    if (message.method !== 'notifications/cancelled' || this.#asked === undefined) return this.#notify(message, related)
    const { message: cancellation, stream } = this.#asked.cancelled(message)
    if (stream?.reachable === true) return stream.send(cancellation)
    if (this.#standalone?.withdraw(cancellation.params?.['requestId'] as RequestId) === true) return undefined
    return this.#notify(cancellation, related)
  }

  #notify (message: JsonRpcNotification, related: RequestId | undefined): Promise<void> | undefined {
    if (related === undefined) return this.#standaloneStreams().send(message)
    const answer = this.#calls.get(related)
    const stream = answer === undefined && message.method === 'notifications/progress' ? undefined : this.#carrier(answer)
    if (stream !== undefined) return stream.send(message)
    // A server may greet its client while it answers initialize, before any stream can be there.
    if (answer?.initialize === true) return this.#standaloneStreams().send(message)
    this.lost(message.method)
    return undefined
  }

  #ask (message: JsonRpcRequest, related: RequestId | undefined): Promise<void> | undefined {
    this.#asked ??= new ClientRequests(this.#epoch)
    const request = this.#asked.outbound(message)
    if (related === undefined) {
      const streams = this.#standaloneStreams()
      this.#asked.sent(message.id, streams.newest)
      return streams.send(request)
    }
    const stream = this.#carrier(this.#calls.get(related))
    // The handler waits for the answer: it should learn at once that none will come.
    if (stream === undefined) throw new NoStreamError(message.method)
    this.#asked.sent(message.id, stream)
    return stream.send(request)
  }

  /** The stream for a message about a call. Where the call's own answer is no stream, or over, it is the newest standalone one. */
  #carrier (answer: PostAnswer | undefined): SseStream | undefined {
    return answer === undefined || this.responseMode === 'json' ? this.#standalone?.newest : answer.channel()
  }

  #fail (id: RequestId, message: string): void {
    const answer = this.#calls.get(id)
    if (answer !== undefined) this.#respond(failure(id, message))
  }

  #answerCalls (error: (id: RequestId) => JsonRpcError): void {
    for (const [id, answer] of this.#calls) {
      this.#calls.delete(id)
      if (answer.initialize && this.#protocolVersion === undefined) this.#onInitializeFailed?.()
      answer.respond(error(id), false)
    }
  }

  #stream (name: string, kind: 'post' | 'get'): SseStream {
    const known = kind === 'get' ? this.#standalone?.named(name) : this.#posts?.get(name)
    if (known !== undefined) return known
    const stream = new SseStream(this, name, kind === 'get' ? this.#standaloneStreams() : undefined)
    // Its responses are all in the store.
    if (kind === 'post') stream.finish()
    return stream
  }

  #standaloneStreams (): StandaloneStreams {
    this.#standalone ??= new StandaloneStreams(this)
    return this.#standalone
  }

  #streamNames (): StreamNames {
    this.#names ??= new StreamNames(this.sessionId, this.#epoch)
    return this.#names
  }

  #name (kind: 'post' | 'get'): string | undefined {
    return this.eventStore === undefined ? undefined : this.#streamNames().next(kind)
  }
}

function isRequest (message: JsonRpcMessage): message is JsonRpcRequest {
  return 'method' in message && 'id' in message
}

function failure (id: RequestId, message: string): JsonRpcError {
  return { jsonrpc: '2.0', id, error: { code: -32603, message } }
}

function sessionEnded (id: RequestId): JsonRpcError {
  return { jsonrpc: '2.0', id, error: { code: -32000, message: 'The session has ended', data: { reason: 'session_ended' } } }
}
