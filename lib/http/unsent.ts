/** Something that keeps bytes for a client that has yet to take them. */
export interface Keeper {
  /** It keeps one message, which cannot be sent in part: it may be larger than the room. */
  readonly sole: boolean
  /** It may keep them as long as it likes, whatever its client takes; when room is needed it lets go as any other. */
  readonly patient: boolean
  /** Lets go of all that it keeps, now. Must not throw. */
  letGo: () => void
}

interface Held {
  bytes: number
  /** The tick at which the client last took something. */
  since: number
}

interface UnsentOptions {
  /** Bytes that all holders may keep together. */
  most: number
  /** Milliseconds between two signs of life on a stream. */
  keepAlive: number
}

const SLICES = 15
/** A client that takes nothing for three keep-alive intervals has stopped. */
const STOPPED = 3 * SLICES
/** One that took nothing for this many slices goes first where room is needed. */
const STALLED = 2

/**
 * What the clients of a node have yet to take: who keeps how much of it for
 * them, and since when they have taken nothing. One that has stopped is let go
 * of. So is, when all keep too much together, who keeps most: first of those
 * that do not move, then of those that keep several messages. A single message that
 * its client is taking goes last, and not before there is twice too much; if it
 * is all there is, it may be of any size.
 *
 * Time is counted in slices of a timer: one of a process that was frozen itself counts once.
 */
export class Unsent {
  readonly #most: number
  readonly #slice: number
  readonly #held = new Map<Keeper, Held>()
  #total = 0
  #tick = 0
  #timer: NodeJS.Timeout | undefined
  #makingRoom = false

  constructor ({ most, keepAlive }: UnsentOptions) {
    this.#most = most
    this.#slice = Math.max(1, Math.floor(keepAlive / SLICES))
  }

  /** Bytes that all holders keep together. */
  get total (): number { return this.#total }

  /** Milliseconds for which a client may take nothing. */
  get patience (): number { return Math.min(STOPPED * this.#slice, 2 ** 31 - 1) }

  /** How many bytes a holder keeps now. `moved`: its client has taken some since it said so last. May let go of holders, this one too. */
  hold (holder: Keeper, bytes: number, moved = false): void {
    const held = this.#held.get(holder)
    if (held === undefined) {
      this.#held.set(holder, { bytes, since: this.#tick })
      this.#total += bytes
      this.#timer ??= setInterval(() => this.#turn(), this.#slice).unref()
    } else {
      this.#total += bytes - held.bytes
      held.bytes = bytes
      if (moved) held.since = this.#tick
    }
    if (this.#total > this.#most) this.#makeRoom()
  }

  /** A holder keeps nothing any more. */
  release (holder: Keeper): void {
    const held = this.#held.get(holder)
    if (held === undefined) return
    this.#total -= held.bytes
    this.#held.delete(holder)
    if (this.#held.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #turn (): void {
    this.#tick++
    for (const [holder, { since }] of this.#held) {
      if (!holder.patient && this.#tick - since > STOPPED) this.#letGo(holder)
    }
  }

  #makeRoom (): void {
    // Who lets go may hand what it keeps to another.
    if (this.#makingRoom) return
    this.#makingRoom = true
    while (this.#total > this.#most) {
      const first = this.#first()
      if (first === undefined) break
      this.#letGo(first)
    }
    this.#makingRoom = false
  }

  #first (): Keeper | undefined {
    let first: Keeper | undefined
    let rank = 0
    let bytes = -1
    for (const [holder, held] of this.#held) {
      const its = this.#tick - held.since >= STALLED ? 2 : holder.sole ? 0 : 1
      if (its < rank || (its === rank && held.bytes <= bytes)) continue
      first = holder
      rank = its
      bytes = held.bytes
    }
    const spared = rank === 0 && (this.#held.size === 1 || this.#total <= 2 * this.#most)
    return spared ? undefined : first
  }

  #letGo (holder: Keeper): void {
    holder.letGo()
    this.release(holder)
  }
}
