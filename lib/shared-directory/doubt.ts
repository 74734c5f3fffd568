/**
 * Absence is not evidence for one heartbeat life after a (re)connection: Redis
 * may have lost what it knew, and the nodes need that long to write it again.
 * Nor is it while Redis refuses what this node writes, though it may answer
 * reads, and for one life after that: the others could not write either.
 */
export class Doubt {
  readonly #life: number
  #until = 0
  #refused = false
  /** When the last acknowledged beat was sent. */
  #beatenAt: number | undefined

  /** `life`: how long one reason for doubt lasts, in milliseconds. */
  constructor (life: number) {
    this.#life = life
  }

  raise (): void {
    this.#until = performance.now() + this.#life
  }

  /** Redis refuses what this node writes, until `accept`. */
  refuse (): void {
    this.#refused = true
  }

  /** Redis has taken all of a beat: whether it refused before. */
  accept (): boolean {
    if (!this.#refused) return false
    this.#refused = false
    this.raise()
    return true
  }

  /** A beat that was sent then (performance.now()) is acknowledged. */
  beaten (sent: number): void {
    this.#beatenAt = sent
  }

  /** Whether what this node writes is refused: nothing can be claimed. */
  get refused (): boolean {
    return this.#refused
  }

  /**
   * Whether there has been doubt since then (performance.now()): what was read is as old as its
   * question, and this process may have been paused before it heard the answer.
   */
  since (then: number): boolean {
    return this.#until > then || this.left > 0
  }

  /** Milliseconds of doubt that are left, as far as is known; 0 when absence can be believed. */
  get left (): number {
    const now = performance.now()
    // Our own beats are not acknowledged: the others' may not be either, and then their places are over though they live.
    const unheard = this.#beatenAt !== undefined && now - this.#beatenAt > this.#life
    return this.#refused || unheard ? this.#life : Math.max(0, this.#until - now)
  }
}
