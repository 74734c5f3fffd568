import { sessionName } from '../session-id.ts'
import { dropConnection, isOpen, onResponseEnd } from './client-response.ts'
import type { ClientResponse } from './client-response.ts'
import type { EventStream } from './exchange.ts'
import { KEEP_ALIVE } from './frames.ts'
import type { TransportLog } from './session-log.ts'
import type { Keeper, Unsent } from './unsent.ts'

/** Bytes that are given to Node at a time, so that it can be seen whether a client takes what it is sent. */
const SLICE = 64 * 1024
const NOTHING = Buffer.alloc(0)

/**
 * A response that goes out at its client's pace. What the client cannot take
 * yet waits here, and counts among what the node keeps for its clients; one that
 * stops reading loses its connection, also when the response has ended.
 */
export class PacedResponse implements EventStream, Keeper {
  readonly patient = false
  readonly #raw: ClientResponse
  readonly #unsent: Unsent
  readonly #log: Pick<TransportLog, 'warn'>
  /** What waits for the client to take what Node has; undefined while nothing does. */
  #queue: Buffer[] | undefined
  #next = 0
  #queued = 0
  #ending = false
  #listening = false
  #waiting: Array<() => void> = []
  /** What those who wait hold on to meanwhile. */
  #heldBack = 0

  constructor (raw: ClientResponse, unsent: Unsent, log: Pick<TransportLog, 'warn'>) {
    this.#raw = raw
    this.#unsent = unsent
    this.#log = log
  }

  get open (): boolean { return !this.#ending && isOpen(this.#raw) }
  get buffered (): number { return this.#queued + this.#raw.writableLength }
  get sole (): boolean { return this.#queue === undefined || this.#queue.length - this.#next <= 1 }

  /** Guarded: a write to a response that its client has left is an uncaught 'error' event in Node. */
  write (frames: string | Buffer): boolean {
    if (this.#queue !== undefined || frames.length > SLICE) return this.#enqueue(frames)
    if (!isOpen(this.#raw) || this.#raw.write(frames)) return true
    this.#queue = []
    this.#hold(false)
    return this.#queue === undefined
  }

  drained (held = 0): Promise<void> {
    return new Promise(resolve => {
      if (this.#queue === undefined || !isOpen(this.#raw)) return resolve()
      this.#waiting.push(resolve)
      this.#heldBack += held
      if (held > 0) this.#hold(false)
    })
  }

  end (): void {
    if (this.#ending || this.#raw.writableEnded) return
    this.#ending = true
    if (this.#next === (this.#queue?.length ?? 0)) this.#raw.end()
  }

  destroy (): void {
    this.#ending = true
    this.#forget()
    dropConnection(this.#raw)
  }

  onEnd (listener: () => void): void {
    onResponseEnd(this.#raw, () => {
      this.#forget()
      listener()
    })
  }

  /** A sign of life, or a look at whether what was written before is taken. */
  ping (): void {
    const raw = this.#raw
    if (raw.writableLength === 0) {
      if (this.open) raw.write(KEEP_ALIVE)
    } else if (this.#queue === undefined) {
      this.#queue = []
      // Its callback says that everything before it has been sent. Below the stream's highWaterMark there is no `drain` that would.
      if (isOpen(raw)) raw.write(KEEP_ALIVE, () => this.#taken())
      this.#hold(false)
    }
  }

  letGo (): void {
    const { req } = this.#raw
    const id = req.headers['mcp-session-id']
    this.#log.warn({ ...(typeof id === 'string' && { session: sessionName(id) }), unsent: this.buffered }, 'a client reads too slowly; its stream is dropped')
    this.destroy()
  }

  /** In bytes of their own: text is kept outside of the heap this way, and may be cut. */
  #enqueue (frames: string | Buffer): boolean {
    if (!this.open) return true
    const bytes = typeof frames === 'string' ? Buffer.from(frames) : frames
    const idle = this.#queue === undefined
    this.#queue ??= []
    this.#queue.push(bytes)
    this.#queued += bytes.length
    if (idle) this.#pump()
    if (this.#queue !== undefined) this.#hold(false)
    return this.#queue === undefined
  }

  #taken (): void {
    if (this.#queue === undefined || !isOpen(this.#raw)) return
    this.#pump()
    if (this.#queue !== undefined) this.#hold(true)
  }

  /** Gives Node what it takes. */
  #pump (): void {
    const queue = this.#queue!
    let ready = true
    while (ready && this.#next < queue.length) {
      const head = queue[this.#next]!
      const slice = head.length > SLICE ? head.subarray(0, SLICE) : head
      if (slice === head) queue[this.#next++] = NOTHING
      else queue[this.#next] = head.subarray(SLICE)
      this.#queued -= slice.length
      ready = this.#raw.write(slice)
    }
    if (this.#next === queue.length) {
      this.#next = queue.length = 0
      if (this.#ending) this.#raw.end()
      else if (ready) this.#forget()
    } else if (this.#next >= 1024 && this.#next * 2 > queue.length) {
      queue.splice(0, this.#next)
      this.#next = 0
    }
  }

  #hold (moved: boolean): void {
    if (!this.#listening) {
      this.#listening = true
      this.#raw.on('drain', () => this.#taken())
    }
    this.#unsent.hold(this, this.buffered + this.#heldBack, moved)
  }

  /** Nothing waits any more. */
  #forget (): void {
    this.#queue = undefined
    this.#next = this.#queued = this.#heldBack = 0
    this.#unsent.release(this)
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
