import { shortId } from '../session-id.ts'
import type { Exchange } from './exchange.ts'
import type { KeepAlive } from './keep-alive.ts'
import type { EventStore } from './mcp-server.ts'
import { StreamNames, streamOfEvent } from './resumption.ts'
import type { StreamKind } from './resumption.ts'
import { SseStream } from './sse-stream.ts'
import { StandaloneStreams } from './standalone-streams.ts'
import type { StreamHost, TransportLog } from './stream-host.ts'

export interface SessionStreamsOptions {
  sessionId: string
  epoch: string
  eventStore?: EventStore | undefined
  /** Milliseconds that a client should wait before it resumes a stream. */
  retry?: number | undefined
  keepAlive: KeepAlive
  log: TransportLog
}

/** All SSE streams of one session, those that are open and those that can be resumed. */
export class SessionStreams implements StreamHost {
  readonly eventStore: EventStore | undefined
  readonly retry: number | undefined
  readonly keepAlive: KeepAlive
  readonly log: TransportLog
  ended = false
  readonly #sessionId: string
  readonly #epoch: string
  readonly #open = new Set<SseStream>()
  /** Streams of POSTs that the event store knows and that are not finished. */
  #posts: Map<string, SseStream> | undefined
  #standalone: StandaloneStreams | undefined
  #names: StreamNames | undefined

  constructor (options: SessionStreamsOptions) {
    this.#sessionId = options.sessionId
    this.#epoch = options.epoch
    this.eventStore = options.eventStore
    this.retry = options.retry
    this.keepAlive = options.keepAlive
    this.log = options.log
  }

  get label (): string { return shortId(this.#sessionId) }
  get size (): number { return this.#open.size }
  connected (stream: SseStream): void { this.#open.add(stream) }
  disconnected (stream: SseStream): void { this.#open.delete(stream) }

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

  /** The stream of a POST. With `keep` the event store has its messages, if there is one. */
  openPost (exchange: Exchange, { keep, prime }: { keep: boolean, prime: boolean }): SseStream {
    const name = keep ? this.#name('post') : undefined
    const stream = new SseStream(this, name)
    if (name !== undefined) (this.#posts ??= new Map()).set(name, stream)
    stream.open(exchange.stream(), prime)
    return stream
  }

  /** The stream of a POST ends after what was sent on it. */
  finishPost (stream: SseStream): void {
    stream.finish(() => { if (stream.name !== undefined) this.#posts?.delete(stream.name) })
  }

  /** Goes on with the stream of this event in another exchange. False, with the exchange untouched: it is none of this session's. */
  async resume (lastEventId: string, exchange: Exchange): Promise<boolean> {
    if (this.eventStore === undefined) return false
    let name: string | undefined
    try {
      name = await streamOfEvent(this.eventStore, lastEventId)
    } catch (error) {
      this.log.warn({ session: this.label, err: error }, 'the event store failed; a stream could not be resumed')
      return false
    }
    this.#names ??= new StreamNames(this.#sessionId, this.#epoch)
    const kind = name && this.#names.kindOf(name)
    if (!name || !kind) return false
    return this.#stream(name, kind).resume(exchange, lastEventId, this.eventStore)
  }

  /** Ends every connection after what was sent on it. */
  endAll (): void {
    for (const stream of this.#open) stream.end()
  }

  /** Ends every connection now, and for good. */
  shutAll (): void {
    this.ended = true
    for (const stream of this.#open) stream.shut()
  }

  #stream (name: string, kind: StreamKind): SseStream {
    const known = kind === 'get' ? this.standalone.named(name) : this.#posts?.get(name)
    if (known !== undefined) return known
    const stream = new SseStream(this, name, kind === 'get' ? this.standalone : undefined)
    // Everything that was said on it is in the store.
    if (kind === 'post') stream.finish()
    return stream
  }

  #name (kind: StreamKind): string | undefined {
    if (this.eventStore === undefined) return undefined
    this.#names ??= new StreamNames(this.#sessionId, this.#epoch)
    return this.#names.next(kind)
  }
}
