import { SessionEndedError } from '../errors.ts'
import type { CallsTold } from '../events/calls-told.ts'
import type { AnswerWait } from './calls/answer-wait.ts'
import { Calls } from './calls/calls.ts'
import { receiveAnswer, receiveNotification, type ClientMessagesHost } from './calls/client-messages.ts'
import type { ServerRequests } from './calls/server-requests.ts'
import type { Exchange } from '../http/exchange.ts'
import type { MessageExtra } from './extra.ts'
import { Fence } from './takeover/fence.ts'
import { isRequest, type JsonRpcMessage, type JsonRpcRequest, type RequestId } from './messages.ts'
import { Opening } from './calls/opening.ts'
import type { TransportOptions } from './options.ts'
import { PostAnswer, type AnswerHost, type ResponseMode } from './calls/post-answer.ts'
import { Memory, type Remembered } from './takeover/memory.ts'
import { Replaying, type Replay } from './replay.ts'
import type { Resumed } from './streams/stream-names.ts'
import { Responses } from './calls/responses.ts'
import { Scopes, type Resolver } from './scopes.ts'
import { ServerMessages } from './calls/server-messages.ts'
import { SessionLog } from '../http/session-log.ts'
import { SessionStreams } from './streams/session-streams.ts'
import type { SseStream } from './streams/sse-stream.ts'
import { sessionfulOf, SessionVersions } from './versions.ts'

const DONE = Promise.resolve()

/**
 * One session's Streamable HTTP (spec 2025-11-25, Transports): on one side the
 * Transport that a server of SDK 1.x or 2.x connects to, on the other the
 * requests of the session's client.
 */
export class StreamableHttpTransport implements AnswerHost, ClientMessagesHost {
  readonly sessionId: string
  readonly responseMode: ResponseMode
  readonly waits: AnswerWait
  readonly told: CallsTold
  readonly calls = new Calls()
  /** What its server wants of callers, before anything is handed to it. */
  readonly scopes = new Scopes()

  onmessage: ((message: any, extra?: any) => void) | undefined
  onclose: (() => void) | undefined
  onerror: ((error: Error) => void) | undefined

  readonly #token: string
  readonly #log: SessionLog
  readonly #streams: SessionStreams
  readonly #versions = new SessionVersions()
  readonly #fence: Fence | undefined
  readonly #memory: Memory | undefined
  readonly #opening: Opening
  readonly #responses: Responses
  #replaying: Replaying | undefined
  /** Made when the server first says something that is no response. */
  #serverMessages: ServerMessages | undefined
  #closed = false

  constructor (options: TransportOptions) {
    const { secured, remember } = options
    this.sessionId = options.sessionId
    this.responseMode = options.responseMode
    this.waits = options.waits
    this.told = options.told
    this.#token = options.token
    this.#log = new SessionLog(options.log, options.sessionId)
    this.#streams = new SessionStreams(options, this.#log)
    this.#fence = secured && new Fence(secured)
    this.#memory = remember && new Memory(remember, text => this.#log.warn(text))
    this.#opening = new Opening(options)
    this.#responses = new Responses({ calls: this.calls, versions: this.#versions, opening: this.#opening, memory: this.#memory, log: this.#log })
  }

  // What the routes ask.

  /** A call is in flight. */
  get busy (): boolean { return this.calls.size > 0 }
  /** Open SSE streams of all kinds. */
  get streams (): number { return this.#streams.size }
  /** The negotiated version; until initialize is answered, the newest one with sessions. */
  get protocolVersion (): string { return this.#versions.current }
  get batches (): boolean { return this.#versions.batches }
  /** Values of the MCP-Protocol-Version header that the session takes. */
  get acceptedVersions (): readonly string[] { return this.#versions.accepted }
  /** What a node that adopts the session has to replay, besides initialize; empty without `remember`. */
  get remembered (): Remembered { return this.#memory?.remembered ?? { subscriptions: [] } }

  /** Whether the session takes this MCP-Protocol-Version header; without one its own version holds. */
  acceptsVersion (header: string | undefined): boolean { return this.#versions.accepts(header) }
  /** An id among these requests that is in use already, in flight or twice among them. */
  idInUse (messages: JsonRpcMessage[]): RequestId | undefined { return this.calls.inUse(messages) }
  /** Resolves when the last call in flight is answered, at once if there is none. */
  idle (): Promise<void> { return this.calls.idle() }

  // What the client sends.

  /** The messages of one POST. Requests must have passed `idInUse`. */
  post (messages: JsonRpcMessage[], batch: boolean, exchange: Exchange, extra: MessageExtra): void {
    const requests = messages.filter(isRequest)
    const answer = requests.length === 0 ? undefined : this.#expect(requests, batch, exchange)
    if (answer === undefined) exchange.accepted()
    for (const message of messages) {
      if (!('method' in message)) receiveAnswer(this, message, extra)
      else if (!('id' in message)) receiveNotification(this, message, extra)
      else if (!answer!.deliver(message, this.#extraOf(message, extra))) this.#responses.fail(message.id)
    }
  }

  /** A GET: a standalone stream. */
  get (exchange: Exchange): void {
    this.#streams.openGet(exchange, this.#versions.priming)
  }

  /**
   * A GET with Last-Event-ID: the rest of a stream of this session, then the
   * stream itself if it is still going. Otherwise the exchange is untouched.
   * `unknown`: the event isn't this session's. `expired`: the event store has
   * let go of what followed it.
   */
  resume (lastEventId: string, exchange: Exchange): Promise<Resumed> {
    return this.#streams.resume(lastEventId, exchange)
  }

  /** Ends every stream so that clients come back, for a shutdown: calls that have begun to stream get an error first. */
  endStreams (): void {
    for (const [id, answer] of this.calls) {
      if (answer.streaming) this.#responses.end(id, answer)
    }
    this.#streams.endAll()
  }

  // What an adoption does, and the session's end.

  /**
   * Brings a fresh server to where the session's lost one stood, as if the
   * client had initialized here; `extra` comes with each message. The server
   * must be connected.
   * @throws ReplayError when it refuses initialize, negotiates anything but
   * `expectedVersion`, or needs more than `bound` milliseconds: there is no session then.
   */
  async replay (replay: Replay, expectedVersion: string, extra: MessageExtra, bound = 5000): Promise<void> {
    this.#replaying = new Replaying({
      token: this.#token,
      deliver: message => this.deliver(message, extra),
      memory: this.#memory,
      warn: text => this.#log.warn(text)
    })
    try {
      await this.#replaying.run(replay, expectedVersion, bound)
      this.#versions.negotiated = expectedVersion
    } finally {
      this.#replaying = undefined
    }
  }

  /** Makes the stored events of the server object before this one its own; see SessionEvents. */
  async takeOver (): Promise<void> { await this.#streams.sessionEvents?.takeOver() }
  /** The session has ended for good, so its stored events may go. Never throws. */
  async forgetEvents (): Promise<void> { await this.#streams.sessionEvents?.forget() }

  // What the SDK's server does.

  async start (): Promise<void> {}
  /** SDK 2.x: McpServer says who may call what. */
  setScopeChallengeResolver (resolver: Resolver): void { this.scopes.resolver = resolver }

  /** SDK 2.x says what its server negotiates. Revisions without sessions are not this transport's. */
  setSupportedProtocolVersions (versions: string[]): void {
    this.#versions.accepted = sessionfulOf(versions)
  }

  /**
   * Sends what the server says, when the session is ours beyond doubt. Settles
   * when the client has taken it, where it is too slow for that to be at once.
   * @throws NoStreamError for a request that no stream can carry,
   * SessionEndedError after `close` or when the session is no longer ours.
   */
  send (message: JsonRpcMessage, options?: { relatedRequestId?: RequestId | undefined }): Promise<void> {
    try {
      if (this.#replaying?.answered(message) === true) return DONE
      if (this.#fence?.closed === true) return this.#sendLater(this.#fence, message, options?.relatedRequestId)
      return this.#send(message, options?.relatedRequestId) ?? DONE
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Ends the session: its streams, and its calls with an error. Never throws. */
  async close (): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#replaying?.fail(new SessionEndedError())
    for (const [id, answer] of this.calls) this.#responses.end(id, answer)
    this.#streams.shutAll()
    try {
      this.onclose?.()
    } catch (error) {
      this.#log.warn('the server failed as its session closed', { err: error })
    }
  }

  // What the parts of the session ask.

  get asked (): ServerRequests | undefined { return this.#serverMessages?.asked }

  deliver (message: JsonRpcMessage, extra: MessageExtra): boolean {
    try {
      if (this.onmessage === undefined) throw new Error('no server is connected')
      this.onmessage(message, extra)
      return true
    } catch (error) {
      this.#log.error('the server failed to take a message', { err: error })
      return false
    }
  }

  dropped (what: string): void { this.#log.debug(`${what} was dropped`) }

  openStream (exchange: Exchange, requests: JsonRpcRequest[], keep: boolean): SseStream {
    return this.#streams.openPost(exchange, requests, { keep, prime: keep && this.#versions.priming })
  }

  closeStream (stream: SseStream): void { this.#streams.finishPost(stream) }

  /** From here on these requests are in flight. */
  #expect (requests: JsonRpcRequest[], batch: boolean, exchange: Exchange): PostAnswer {
    const answer = new PostAnswer(this, exchange, requests, batch)
    for (const { id } of requests) this.calls.set(id, answer)
    return answer.begin()
  }

  /** Handlers may close the streams of a client that can resume them. */
  #extraOf ({ id }: JsonRpcRequest, extra: MessageExtra): MessageExtra {
    if (!this.#streams.resumable || !this.#versions.priming) return extra
    return extra.resumable(
      this.responseMode === 'json' ? undefined : () => this.calls.get(id)?.suspend(),
      () => this.#streams.newest?.suspend()
    )
  }

  /** Apart from `send`, which then needs no closure. */
  #sendLater (fence: Fence, message: JsonRpcMessage, related: RequestId | undefined): Promise<void> { return fence.pass(() => this.#send(message, related)) }

  #send (message: JsonRpcMessage, related: RequestId | undefined): Promise<void> | undefined {
    if (!('method' in message)) return this.#responses.respond(message)
    if (this.#closed) throw new SessionEndedError()
    this.#serverMessages ??= new ServerMessages(this.#token, this, this.#streams)
    // The calls of a replay are none of the client's.
    return this.#serverMessages.send(message, this.#replaying === undefined ? related : undefined)
  }
}
