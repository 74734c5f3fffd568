import type { JsonRpcMessage } from '../messages.ts'
import type { SseStream } from './sse-stream.ts'
import type { StreamGroup, StreamHost } from './stream-host.ts'
import type { Keeper } from '../../http/unsent.ts'

const MAX_OPEN = 4
const MAX_QUEUED = 32
/** Streams whose clients may come back to them. */
const MAX_KNOWN = 8

/**
 * The streams that clients open with GET, for messages that belong to no call.
 * Each message goes to one of them, the newest (spec 2025-11-25, Multiple
 * Connections). While there is none, messages wait in a bounded queue: servers
 * speak as soon as they are initialized, clients open their stream just after.
 */
export class StandaloneStreams implements StreamGroup<SseStream>, Keeper {
  readonly sole = false
  readonly patient = true
  readonly #host: StreamHost<SseStream>
  /** Open streams, newest last. */
  readonly #open: SseStream[] = []
  /** Streams that the event store knows, open or not. */
  readonly #known: SseStream[] = []
  /** The stream that ended last, if its client can come back for what it missed. */
  #last: SseStream | undefined
  #queue: JsonRpcMessage[] = []
  /** Bytes of what is in the queue, about. */
  #queued = 0

  constructor (host: StreamHost<SseStream>) {
    this.#host = host
  }

  get newest (): SseStream | undefined {
    return this.#open.findLast(stream => stream.connected)
  }

  /** The stream of that name in the event store. */
  named (name: string): SseStream | undefined {
    return this.#known.find(stream => stream.name === name)
  }

  /** A stream was opened or resumed: it is the newest from now on. */
  add (stream: SseStream): void {
    this.#open.push(stream)
    if (this.#open.length > MAX_OPEN) this.#open.shift()!.end()
    if (stream.name !== undefined) this.#remember(stream)
    const queue = this.#queue
    this.#forget()
    for (const message of queue) {
      // Nobody awaits these any more.
      stream.send(message)?.catch(error => this.#host.log.warn('a queued message was lost', { err: error }))
    }
  }

  /** The connection of a stream is gone. */
  remove (stream: SseStream): void {
    const index = this.#open.indexOf(stream)
    if (index === -1) return
    this.#open.splice(index, 1)
    this.#last = stream.resumable ? stream : undefined
  }

  /** Sends to the newest stream, or keeps the message for the next one. */
  send (message: JsonRpcMessage): Promise<void> | undefined {
    const stream = this.newest ?? this.#last
    // Its client may have learnt meanwhile that it cannot come back.
    if (stream?.reachable === true) return stream.send(message)
    if (this.#queue.length === MAX_QUEUED) {
      this.#queued -= sizeOf(this.#queue.shift()!)
      this.#host.log.debug('no standalone stream is open; the oldest of the waiting messages was dropped')
    }
    this.#queued += sizeOf(message)
    this.#queue.push(message)
    this.#host.unsent.hold(this, this.#queued)
    return undefined
  }

  /** Takes a request back that still waits in the queue. False: it was sent. */
  withdraw (wireId: unknown): boolean {
    const index = this.#queue.findIndex(message => 'method' in message && 'id' in message && message.id === wireId)
    if (index === -1) return false
    this.#queued -= sizeOf(this.#queue.splice(index, 1)[0]!)
    if (this.#queue.length === 0) this.#forget()
    else this.#host.unsent.hold(this, this.#queued)
    return true
  }

  /** Drops what waits for a stream: the node keeps too much, or the session has ended. */
  letGo (): void {
    if (this.#queue.length === 0) return
    if (!this.#host.ended) this.#host.log.warn('too much waits for a standalone stream that nobody opens; it is dropped', { unsent: this.#queued })
    this.#forget()
  }

  #forget (): void {
    this.#queue = []
    this.#queued = 0
    this.#host.unsent.release(this)
  }

  #remember (stream: SseStream): void {
    if (!this.#known.includes(stream)) this.#known.push(stream)
    if (this.#known.length <= MAX_KNOWN) return
    this.#known.splice(this.#known.findIndex(known => !known.connected), 1)
  }
}

function sizeOf (message: JsonRpcMessage): number {
  return JSON.stringify(message).length
}
