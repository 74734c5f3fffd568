/** Something that answers as JSON unless it has taken too long. */
export interface WaitingAnswer {
  /** The wait is over. Must not throw. */
  waited: () => void
  /** Set and read by AnswerWait. */
  waitingSince: number
}

const SLICES = 4

/**
 * Tells answers when they have been pending for `wait` milliseconds (and at
 * most a quarter more). One timer serves all answers of the node, and calls
 * that are quicker cost an insertion and a deletion.
 */
export class AnswerWait {
  readonly #slice: number
  readonly #pending = new Set<WaitingAnswer>()
  #timer: NodeJS.Timeout | undefined
  #tick = 0

  constructor (wait: number) {
    this.#slice = Math.max(1, Math.ceil(wait / SLICES))
  }

  add (answer: WaitingAnswer): void {
    answer.waitingSince = this.#tick
    this.#pending.add(answer)
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#sweep(), this.#slice).unref()
    }
  }

  delete (answer: WaitingAnswer): void {
    this.#pending.delete(answer)
  }

  /** Only the sweep stops the timer, so that a node under load does not start one for each call. */
  #sweep (): void {
    if (this.#pending.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    this.#tick++
    for (const answer of this.#pending) {
      // In the order of their age. The first slice of each was cut short: it came in the middle of one.
      if (this.#tick - answer.waitingSince <= SLICES) break
      this.#pending.delete(answer)
      answer.waited()
    }
  }
}
