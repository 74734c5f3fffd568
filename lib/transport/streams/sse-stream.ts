import type { EventStream, Exchange } from '../../http/exchange.ts'
import { EventKeeping } from './event-keeping.ts'
import { isExpired } from '../event-store.ts'
import { eventFrame, primingFrame, retryFrame } from '../../http/frames.ts'
import type { EventStore } from '../mcp-server.ts'
import type { JsonRpcMessage, RequestId } from '../messages.ts'
import { replayInto } from './replay-events.ts'
import type { Resumed } from './stream-names.ts'
import type { StreamGroup, StreamHost } from './stream-host.ts'
import { WaitingEvents } from './waiting-events.ts'
import type { WaitingEvent } from './waiting-events.ts'

/**
 * One SSE stream as the client sees it: a sequence of events that, with an
 * event store, outlives its connection.
 *
 * Without a store everything is written at once. With one, each step waits for
 * the step before, because storing takes time and order must hold; a resume is
 * such a step too, so that no event is lost or written twice around it.
 */
export class SseStream {
  /** The id of the stream in the event store, undefined without one. */
  readonly name: string | undefined
  readonly #host: StreamHost<SseStream>
  readonly #group: StreamGroup<SseStream> | undefined
  readonly #keeping: EventKeeping | undefined
  #out: EventStream | undefined
  #tail: Promise<unknown> | undefined
  /** Made when the first event goes to the store. */
  #waiting: WaitingEvents | undefined
  /** More waits for the store than the node keeps: events go to the client without ids, until the store has caught up. */
  #overflowed = false
  /** The client holds an event id of this stream. */
  #resumable = false
  /** Counts the resumes: the last one has the stream. */
  #resumes = 0
  #finished = false

  constructor (host: StreamHost<SseStream>, name?: string, group?: StreamGroup<SseStream>) {
    this.#host = host
    this.name = name
    this.#group = group
    this.#keeping = name === undefined ? undefined : new EventKeeping(host, name)
  }

  get connected (): boolean {
    return this.#out?.open === true
  }

  /** Whether an event given to `send` can still come to the client. */
  get reachable (): boolean {
    return this.connected || this.#resumable
  }

  /** Whether its client holds an event id, so that the connection may be closed under it. */
  get resumable (): boolean {
    return this.#resumable
  }

  /** The stream will carry the answers to these requests; an event store that knows sessions is told. */
  answers (requests: RequestId[]): void {
    this.#keeping?.answers(requests)
  }

  /** Begins the stream on its first connection. */
  open (out: EventStream, prime: boolean): void {
    this.#attach(out)
    if (prime && this.name !== undefined) {
      // The id is on its way: a message that comes now must not think the stream mute.
      this.#resumable = true
      this.#queue(async () => {
        const id = await this.#keeping!.store({})
        if (id === undefined) this.#resumable = false
        else this.#out?.write(primingFrame(id))
      })
    }
    this.#join()
  }

  /**
   * Sends one event. The promise, if there is one, settles when the client has
   * taken what was written (or is gone). Throws when the message can't be
   * serialized.
   */
  send (message: JsonRpcMessage): Promise<void> | undefined {
    const json = JSON.stringify(message)
    // Whoever asks, or says something about a call, waits with it in its hands; nobody waits with an answer.
    const held = 'method' in message ? json.length : 0
    if (this.name === undefined || (this.#overflowed && this.connected)) {
      return this.#write(eventFrame(json)) ? undefined : this.#out?.drained(held)
    }
    this.#waiting ??= new WaitingEvents(this.#host.unsent, passed => this.#overflow(passed))
    const event = this.#waiting.add(message, json)
    return this.#step(() => this.#keep(event)).then(taken => taken ? undefined : this.#out?.drained(held))
  }

  /** Sends one event ahead of everything that waits for the event store, and keeps it nowhere: the session ends. */
  sendLast (message: JsonRpcMessage): void {
    this.#write(eventFrame(JSON.stringify(message)))
  }

  /** Ends the connection after what was sent, if the client can come back for the rest of the stream. */
  suspend (): void {
    this.#after(() => { if (this.#resumable) this.#sendAway() })
  }

  /** Ends the connection after what was sent. */
  end (): void {
    this.#after(() => this.shut())
  }

  /** Ends the connection after what was sent, because its node goes away: the client should come back. */
  dismiss (): void {
    this.#after(() => this.#sendAway())
  }

  /** Ends the connection now. What its client has yet to read goes on its way, and the stream counts as closed. */
  shut (): void {
    const out = this.#out
    if (out === undefined) return
    this.#detach()
    out.end()
  }

  /** Ends the stream after what was sent. */
  finish (done?: () => void): void {
    this.#after(() => {
      this.#finished = true
      this.shut()
      done?.()
    })
  }

  /**
   * Goes on in another connection, after the given event. The older connection,
   * if it is still there, is dropped first. Unless it is `resumed` the exchange
   * is untouched.
   */
  resume (exchange: Exchange, lastEventId: string, events: EventStore): Promise<Resumed> {
    this.#drop()
    this.#resumable = true
    const resume = ++this.#resumes
    return this.#step(() => this.#resume(exchange, lastEventId, events, resume))
  }

  async #resume (exchange: Exchange, lastEventId: string, events: EventStore, resume: number): Promise<Resumed> {
    // Another resume may have been before this one in the queue.
    this.#drop()
    const open = (): EventStream => {
      const out = exchange.stream()
      this.#resumable = true
      this.#attach(out)
      this.#join()
      return out
    }
    const wanted = (): boolean => !this.#host.ended && resume === this.#resumes
    const { out, error } = await replayInto(open, lastEventId, events, wanted)
    if (out === undefined && this.#host.ended) return 'unknown'
    if (out === undefined && isExpired(error)) {
      this.#resumable = false
      return 'expired'
    }
    if (error !== undefined) {
      this.#host.log.warn('the event store failed in a replay; the client may resume again', { err: error })
    }
    if (out === undefined) open()
    if (error !== undefined || this.#finished || !wanted()) this.shut()
    return 'resumed'
  }

  #attach (out: EventStream): void {
    this.#out = out
    this.#host.connected(this)
    // The connection is looked after until it is gone: a client may stop in the middle of the last message.
    this.#host.keepAlive.add(out)
    out.onEnd(() => {
      this.#host.keepAlive.delete(out)
      if (this.#out === out) this.#detach()
    })
  }

  /** A client that has left already takes no messages from the others. */
  #join (): void {
    if (this.connected) this.#group?.add(this)
  }

  #detach (): void {
    this.#out = undefined
    this.#host.disconnected(this)
    this.#group?.remove(this)
  }

  /** Drops the connection: its client no longer listens to it. */
  #drop (): void {
    const out = this.#out
    if (out === undefined) return
    this.#detach()
    out.destroy()
  }

  /** Ends the connection of a stream that goes on: its client should come back. */
  #sendAway (): void {
    const { retry } = this.#host
    if (retry !== undefined) this.#write(retryFrame(retry))
    this.shut()
  }

  /** False when the client has fallen behind. */
  #write (frames: string): boolean {
    const out = this.#out
    return out === undefined || !out.open || out.write(frames)
  }

  /** Sends an event that was stored; false when the client has fallen behind. */
  async #keep (event: WaitingEvent): Promise<boolean> {
    if (event.message === undefined) return true
    const id = await this.#keeping!.store(event.message)
    const json = this.#waiting!.take(event)
    // It has gone ahead of the store.
    if (json === undefined) return true
    if (id !== undefined && this.connected) this.#resumable = true
    return this.#write(eventFrame(json, id))
  }

  #overflow (passed: string[]): void {
    const fate = this.connected ? 'events are sent without ids until it has caught up' : 'events for a client that is away are lost'
    this.#host.log.warn(`too much waits for the event store; ${fate}`, { events: passed.length })
    this.#overflowed = true
    this.#after(() => { this.#overflowed = false })
    for (const json of passed) this.#write(eventFrame(json))
  }

  #after (action: () => void): void {
    if (this.#tail === undefined) action()
    else this.#queue(async () => action())
  }

  #step<T> (step: () => Promise<T>): Promise<T> {
    const done = (this.#tail ?? Promise.resolve()).then(step)
    this.#queue(() => done)
    return done
  }

  /** A step whose failure is for the log alone. */
  #queue (step: () => Promise<unknown>): void {
    this.#tail = (this.#tail ?? Promise.resolve()).then(step).catch(error => {
      this.#host.log.error('a stream failed', { err: error })
    })
  }
}
