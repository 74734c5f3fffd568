/** A token bucket for reads that find nothing, so that a flood of unknown ids is not a flood of reads. */
export class MissBudget {
  readonly #rate: number
  readonly #burst: number
  #tokens: number
  #at = performance.now()

  /** `rate`: misses a second; `burst`: misses at once. */
  constructor (rate: number, burst: number) {
    this.#rate = rate
    this.#burst = burst
    this.#tokens = burst
  }

  /** Takes a token; false when there is none. */
  take (): boolean {
    const now = performance.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) / 1000 * this.#rate)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** The read was no miss. */
  giveBack (): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1)
  }
}
