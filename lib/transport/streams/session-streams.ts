import { eventsOf, isExpired, knowsSessions, sessionEvents } from '../event-store.ts'
import type { Exchange } from '../../http/exchange.ts'
import type { KeepAlive } from './keep-alive.ts'
import type { EventStore, SessionEvents } from '../mcp-server.ts'
import type { JsonRpcRequest } from '../messages.ts'
import { StreamNames, streamOfEvent } from './stream-names.ts'
import type { Resumed, StreamKind } from './stream-names.ts'
import type { SessionLog } from '../../http/session-log.ts'
import { SseStream } from './sse-stream.ts'
import { StandaloneStreams } from './standalone-streams.ts'
import type { StreamHost } from './stream-host.ts'
import type { Unsent } from '../../http/unsent.ts'

interface SessionStreamsOptions {
  sessionId: string
  token: string
  eventStore?: EventStore | undefined
  /** Milliseconds that a client should wait before it comes back to a stream. */
  retry?: number | undefined
  keepAlive: KeepAlive
  unsent: Unsent
}

/** All SSE streams of one session, those that are open and those that can be resumed. */
export class SessionStreams implements StreamHost<SseStream> {
  readonly retry: number | undefined
  readonly keepAlive: KeepAlive
  readonly unsent: Unsent
  readonly log: SessionLog
  ended = false
  readonly #sessionId: string
  readonly #token: string
  readonly #store: EventStore | undefined
  readonly #open = new Set<SseStream>()
  /** Streams of POSTs that the event store knows and that are not finished. */
  #posts: Map<string, SseStream> | undefined
  /** Streams that are being resumed: whoever resumes one as well has to queue behind. */
  #resuming: Map<string, { stream: SseStream, resumes: number }> | undefined
  #events: EventStore | SessionEvents | undefined
  #standalone: StandaloneStreams | undefined
  #names: StreamNames | undefined

  constructor (options: SessionStreamsOptions, log: SessionLog) {
    this.#sessionId = options.sessionId
    this.#token = options.token
    this.#store = options.eventStore
    this.retry = options.retry
    this.keepAlive = options.keepAlive
    this.unsent = options.unsent
    this.log = log
  }

  get size (): number { return this.#open.size }
  /** Whether there is an event store, so that streams can be resumed. */
  get resumable (): boolean { return this.#store !== undefined }
  connected (stream: SseStream): void { this.#open.add(stream) }
  disconnected (stream: SseStream): void { this.#open.delete(stream) }

  /** Made when it is first used: most sessions store nothing. */
  get events (): EventStore | SessionEvents | undefined {
    if (this.#store !== undefined) this.#events ??= eventsOf(this.#store, this.#sessionId, this.#token)
    return this.#events
  }

  /** The same if the store knows sessions. */
  get sessionEvents (): SessionEvents | undefined {
    return sessionEvents(this.events)
  }

  get standalone (): StandaloneStreams {
    this.#standalone ??= new StandaloneStreams(this)
    return this.#standalone
  }

  /** The newest standalone stream that is open. */
  get newest (): SseStream | undefined { return this.#standalone?.newest }

  /** The stream of a GET. With `prime`, its client can resume it before the first message. */
  openGet (exchange: Exchange, prime: boolean): void {
    const stream = new SseStream(this, this.#name('get'), this.standalone)
    stream.open(exchange.stream(), prime)
  }

  /** The stream of a POST with these requests. With `keep` the event store has its messages, if there is one. */
  openPost (exchange: Exchange, requests: JsonRpcRequest[], { keep, prime }: { keep: boolean, prime: boolean }): SseStream {
    const name = keep ? this.#name('post') : undefined
    const stream = new SseStream(this, name)
    if (name !== undefined) {
      (this.#posts ??= new Map()).set(name, stream)
      if (knowsSessions(this.#store!)) stream.answers(requests.map(request => request.id))
    }
    stream.open(exchange.stream(), prime)
    return stream
  }

  /** The stream of a POST ends after what was sent on it. */
  finishPost (stream: SseStream): void {
    stream.finish(() => { if (stream.name !== undefined) this.#posts?.delete(stream.name) })
  }

  /** Goes on with the stream of this event in another exchange, which is untouched unless that is `resumed`. */
  async resume (lastEventId: string, exchange: Exchange): Promise<Resumed> {
    const { events } = this
    if (events === undefined) return 'unknown'
    let name: string | undefined
    try {
      name = await streamOfEvent(events, lastEventId)
    } catch (error) {
      if (isExpired(error)) return 'expired'
      this.log.warn('the event store failed; a stream could not be resumed', { err: error })
      return 'unknown'
    }
    const kind = name && this.#named.kindOf(name)
    return name && kind ? this.#resume(name, kind, exchange, lastEventId, events) : 'unknown'
  }

  /** Ends every connection after what was sent on it; clients of standalone streams are told when to come back. */
  endAll (): void {
    for (const stream of this.#open) stream.dismiss()
  }

  /** Ends every connection now, and for good. */
  shutAll (): void {
    this.ended = true
    this.#standalone?.letGo()
    for (const stream of this.#open) stream.shut()
  }

  /** All who resume a stream at a time must do so on the same object, or order would not hold between them. */
  async #resume (name: string, kind: StreamKind, exchange: Exchange, lastEventId: string, events: EventStore): Promise<Resumed> {
    this.#resuming ??= new Map()
    const entry = this.#resuming.get(name) ?? { stream: this.#stream(name, kind), resumes: 0 }
    this.#resuming.set(name, entry)
    entry.resumes++
    try {
      return await entry.stream.resume(exchange, lastEventId, events)
    } finally {
      if (--entry.resumes === 0) this.#resuming.delete(name)
    }
  }

  #stream (name: string, kind: StreamKind): SseStream {
    const known = kind === 'get' ? this.standalone.named(name) : this.#posts?.get(name)
    if (known !== undefined) return known
    const stream = new SseStream(this, name, kind === 'get' ? this.standalone : undefined)
    // Everything that was said on it is in the store, whichever server object said it.
    if (kind === 'post') stream.finish()
    return stream
  }

  #name (kind: StreamKind): string | undefined {
    return this.#store === undefined ? undefined : this.#named.next(kind)
  }

  get #named (): StreamNames {
    this.#names ??= new StreamNames(this.#sessionId, this.#token)
    return this.#names
  }
}
