/**
 * Absence is not evidence for one heartbeat life after a (re)connection: Redis
 * may have lost what it knew, and the nodes need that long to write it again.
 */
export class Doubt {
  readonly #life: number
  #until = 0

  /** `life`: of a heartbeat, in milliseconds. */
  constructor (life: number) {
    this.#life = life
  }

  raise (): void {
    this.#until = performance.now() + this.#life
  }

  /**
   * Whether there has been doubt since then (performance.now()): what was read is as old as its
   * question, and this process may have been paused before it heard the answer.
   */
  since (then: number): boolean {
    return this.#until > then
  }

  /** Milliseconds of doubt that are left; 0 when absence can be believed. */
  get left (): number {
    return Math.max(0, this.#until - performance.now())
  }
}
