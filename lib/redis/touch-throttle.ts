/** Seconds between two renewals of a session: with its share of the index write, one write a minute. */
const INTERVAL = 120

/** Remembers when each session's record was last written; a small number a session. */
export class TouchThrottle {
  readonly #start = performance.now()
  readonly #written = new Map<string, number>()

  /** Whether a touch is due; if so, it counts as done. */
  due (id: string): boolean {
    const now = this.#seconds()
    if (now - (this.#written.get(id) ?? -INTERVAL) < INTERVAL) return false
    this.#written.set(id, now)
    return true
  }

  /** The record is written now. */
  written (id: string): void {
    this.#written.set(id, this.#seconds())
  }

  forget (id: string): void {
    this.#written.delete(id)
  }

  #seconds (): number {
    return Math.floor((performance.now() - this.#start) / 1000)
  }
}
