/** Seconds between two renewals of a session: with its share of the index write, one write a minute. */
const INTERVAL = 120

/**
 * Remembers when each session's record was last written, a small number a
 * session, for as long as that matters: nobody need tell it that one has ended.
 */
export class TouchThrottle {
  readonly #start = performance.now()
  /** The latest last. */
  readonly #written = new Map<string, number>()

  /** Whether a touch is due; if so, it counts as done. */
  due (id: string): boolean {
    const now = this.#seconds()
    if (now - (this.#written.get(id) ?? -INTERVAL) < INTERVAL) return false
    this.#write(id, now)
    return true
  }

  /** The record is written now. */
  written (id: string): void {
    this.#write(id, this.#seconds())
  }

  forget (id: string): void {
    this.#written.delete(id)
  }

  #write (id: string, now: number): void {
    this.#written.delete(id)
    this.#written.set(id, now)
    for (const [old, at] of this.#written) {
      if (now - at < INTERVAL) break
      this.#written.delete(old)
    }
  }

  #seconds (): number {
    return Math.floor((performance.now() - this.#start) / 1000)
  }
}
