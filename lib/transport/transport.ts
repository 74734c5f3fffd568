import { SessionEndedError } from '../errors.ts'
import { shortId } from '../session-id.ts'
import type { AnswerWait } from './answer-wait.ts'
import { receiveAnswer, receiveNotification } from './client-messages.ts'
import type { ClientMessagesHost } from './client-messages.ts'
import type { ClientRequests } from './client-requests.ts'
import type { Exchange } from './exchange.ts'
import type { MessageExtra } from './extra.ts'
import type { KeepAlive } from './keep-alive.ts'
import type { EventStore } from './mcp-server.ts'
import { failure, isRequest, sessionEnded } from './messages.ts'
import type { JsonRpcError, JsonRpcMessage, JsonRpcRequest, JsonRpcResult, RequestId } from './messages.ts'
import { PostAnswer } from './post-answer.ts'
import type { AnswerHost, ResponseMode } from './post-answer.ts'
import { ServerMessages } from './server-messages.ts'
import { SessionStreams } from './session-streams.ts'
import type { SseStream } from './sse-stream.ts'
import type { TransportLog } from './stream-host.ts'
import { SESSIONFUL_VERSIONS, sessionfulOf, understandsPriming } from './versions.ts'

const DONE = Promise.resolve()

/** What becomes of an initialize request. Exactly one of the two is called. */
export interface Opening {
  /**
   * The server accepted. The answer, whose headers carry the session id, waits
   * for this; a rejection turns it into an error.
   */
  onInitialized?: (result: Record<string, unknown>) => Promise<void> | void
  /** The server refused: there is no session. Called before the answer is sent. */
  onInitializeFailed?: () => void
}

export interface TransportOptions extends Opening {
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
}

/**
 * One session's Streamable HTTP (spec 2025-11-25, Transports): on one side the
 * Transport that a server of SDK 1.x or 2.x connects to, on the other the
 * requests of the session's client.
 */
export class StreamableHttpTransport implements AnswerHost, ClientMessagesHost {
  readonly sessionId: string
  readonly responseMode: ResponseMode
  readonly waits: AnswerWait
  readonly calls = new Map<RequestId, PostAnswer>()

  onmessage: ((message: any, extra?: any) => void) | undefined
  onclose: (() => void) | undefined
  onerror: ((error: Error) => void) | undefined

  readonly #epoch: string
  readonly #log: TransportLog
  readonly #streams: SessionStreams
  /** Undefined once it is over: what it refers to should not live as long as the session. */
  #opening: Opening | undefined
  /** Made when the server first says something that is no response. */
  #serverMessages: ServerMessages | undefined
  #versions = SESSIONFUL_VERSIONS
  #protocolVersion: string | undefined
  #closed = false

  constructor (options: TransportOptions) {
    const { onInitialized, onInitializeFailed } = options
    this.sessionId = options.sessionId
    this.responseMode = options.responseMode
    this.waits = options.waits
    this.#epoch = options.epoch
    this.#log = options.log
    this.#streams = new SessionStreams(options)
    this.#opening = { ...(onInitialized && { onInitialized }), ...(onInitializeFailed && { onInitializeFailed }) }
  }

  // What the routes ask.

  /** A call is in flight. */
  get busy (): boolean { return this.calls.size > 0 }
  /** Open SSE streams of all kinds. */
  get streams (): number { return this.#streams.size }
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
    const ids = messages.length === 1 ? undefined : new Set<RequestId>()
    for (const message of messages) {
      if (!isRequest(message)) continue
      if (this.calls.has(message.id) || ids?.has(message.id) === true) return message.id
      ids?.add(message.id)
    }
    return undefined
  }

  // What the client sends.

  /** The messages of one POST. Requests must have passed `idInUse`. */
  post (messages: JsonRpcMessage[], batch: boolean, exchange: Exchange, extra: MessageExtra): void {
    const requests = messages.filter(isRequest)
    if (requests.length === 0) exchange.accepted()
    else this.#expect(requests, batch, exchange)
    for (const message of messages) {
      if (!('method' in message)) receiveAnswer(this, message, extra)
      else if (!('id' in message)) receiveNotification(this, message, extra)
      else if (!this.deliver(message, this.#extraOf(message, extra))) this.#fail(message.id)
    }
  }

  /** A GET: a standalone stream. */
  get (exchange: Exchange): void {
    this.#streams.openGet(exchange, understandsPriming(this.#protocolVersion))
  }

  /**
   * A GET with Last-Event-ID: the rest of a stream of this session, then the
   * stream itself if it is still going. `unknown`, with the exchange untouched,
   * when the event isn't this session's.
   */
  async resume (lastEventId: string, exchange: Exchange): Promise<'resumed' | 'unknown'> {
    return await this.#streams.resume(lastEventId, exchange) ? 'resumed' : 'unknown'
  }

  /** Ends every stream, for a shutdown: calls that have begun to stream get an error first. */
  endStreams (): void {
    for (const [id, answer] of this.calls) {
      if (answer.streaming) this.#end(id, answer)
    }
    this.#streams.endAll()
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
      this.#serverMessages ??= new ServerMessages({
        epoch: this.#epoch,
        responseMode: this.responseMode,
        calls: this.calls,
        streams: this.#streams,
        dropped: what => this.dropped(what)
      })
      return this.#serverMessages.send(message, options?.relatedRequestId) ?? DONE
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Ends the session: its streams, and its calls with an error. Never throws. */
  async close (): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const [id, answer] of this.calls) this.#end(id, answer)
    this.#streams.shutAll()
    try {
      this.onclose?.()
    } catch (error) {
      this.#log.warn(this.#facts(error), 'the server failed as its session closed')
    }
  }

  // What the parts of the session ask.

  get asked (): ClientRequests | undefined {
    return this.#serverMessages?.asked
  }

  deliver (message: JsonRpcMessage, extra: MessageExtra): boolean {
    try {
      if (this.onmessage === undefined) throw new Error('no server is connected')
      this.onmessage(message, extra)
      return true
    } catch (error) {
      this.#log.error(this.#facts(error), 'the server failed to take a message')
      return false
    }
  }

  dropped (what: string): void {
    this.#log.debug(this.#facts(), `${what} was dropped`)
  }

  openStream (exchange: Exchange, keep: boolean): SseStream {
    return this.#streams.openPost(exchange, { keep, prime: keep && understandsPriming(this.#protocolVersion) })
  }

  closeStream (stream: SseStream): void {
    this.#streams.finishPost(stream)
  }

  /** From here on these requests are in flight. */
  #expect (requests: JsonRpcRequest[], batch: boolean, exchange: Exchange): void {
    const ids = batch ? requests.map(request => request.id) : undefined
    const answer = new PostAnswer(this, exchange, ids, requests[0]!.method === 'initialize')
    for (const { id } of requests) this.calls.set(id, answer)
    answer.begin()
  }

  /** Handlers may close the streams of a client that can resume them. */
  #extraOf ({ id }: JsonRpcRequest, extra: MessageExtra): MessageExtra {
    if (this.#streams.eventStore === undefined || !understandsPriming(this.#protocolVersion)) return extra
    return extra.resumable(
      this.responseMode === 'json' ? undefined : () => this.calls.get(id)?.suspend(),
      () => this.#streams.newest?.suspend()
    )
  }

  #respond (response: JsonRpcResult | JsonRpcError): Promise<void> | undefined {
    const id = response.id!
    const answer = this.calls.get(id)
    if (answer === undefined) {
      this.dropped('a late response')
      return undefined
    }
    if (answer.initialize && 'result' in response) return this.#initialized(answer, response)
    this.calls.delete(id)
    if (answer.initialize) this.#refused()
    try {
      answer.respond(response)
    } catch (error) {
      answer.respond(failure(id, 'the result cannot be serialized'))
      throw error
    }
    return undefined
  }

  async #initialized (answer: PostAnswer, response: JsonRpcResult): Promise<void> {
    const { id, result } = response
    const opening = this.#opening
    let final: JsonRpcResult | JsonRpcError = response
    this.#opening = undefined
    this.#protocolVersion = String(result['protocolVersion'])
    try {
      await opening?.onInitialized?.(result)
    } catch (error) {
      this.#log.error(this.#facts(error), 'a session could not be opened')
      final = failure(id, 'Internal error')
    }
    // The session may have been closed in the meantime, and the call answered.
    if (this.calls.get(id) !== answer) return
    this.calls.delete(id)
    answer.respond(final)
  }

  /** initialize is about to be answered with an error. */
  #refused (): void {
    const opening = this.#opening
    this.#opening = undefined
    opening?.onInitializeFailed?.()
  }

  /** The server could not take a request. */
  #fail (id: RequestId): void {
    if (this.calls.has(id)) this.#respond(failure(id, 'Internal error'))
  }

  /** Answers a call because the session ends. */
  #end (id: RequestId, answer: PostAnswer): void {
    this.calls.delete(id)
    if (answer.initialize) this.#refused()
    answer.fail(sessionEnded(id))
  }

  #facts (error?: unknown): object {
    const session = shortId(this.sessionId)
    return error === undefined ? { session } : { session, err: error }
  }
}
