/** A stream that wants a sign of life written to it now and then. */
interface Silent {
  /** Writes a keep-alive comment. Must not throw. */
  ping: () => void
}

const SLICES = 15

/**
 * Pings every stream of the node once per `interval` milliseconds. One timer
 * serves them all, a fifteenth at a time: 10,000 streams make no burst.
 */
export class KeepAlive {
  readonly #slice: number
  readonly #slots: Array<Set<Silent>> = Array.from({ length: SLICES }, () => new Set())
  readonly #slotOf = new Map<Silent, Set<Silent>>()
  #timer: NodeJS.Timeout | undefined
  #current = 0
  #next = 0

  constructor (interval: number) {
    this.#slice = Math.max(1, Math.floor(interval / SLICES))
  }

  add (stream: Silent): void {
    if (this.#slotOf.has(stream)) return
    const slot = this.#slots[this.#next]!
    this.#next = (this.#next + 1) % SLICES
    slot.add(stream)
    this.#slotOf.set(stream, slot)
    this.#timer ??= setInterval(() => this.#turn(), this.#slice).unref()
  }

  delete (stream: Silent): void {
    this.#slotOf.get(stream)?.delete(stream)
    this.#slotOf.delete(stream)
    if (this.#slotOf.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #turn (): void {
    this.#current = (this.#current + 1) % SLICES
    for (const stream of this.#slots[this.#current]!) stream.ping()
  }
}
