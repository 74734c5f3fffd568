/** An answer that is awaited from another node. */
export interface Awaited {
  /** When something of it came last, or its request was sent; Infinity while nobody waits for the other node. */
  readonly heard: number
  /** Gives it up. */
  breakOff: (error: Error) => void
}

/** What this node knows of its way to another. All times are of performance.now(). */
export class Way {
  readonly awaited = new Set<Awaited>()
  /** Set while nothing is sent, because what was sent got lost: when a request last wanted to go this way. */
  shut: number | undefined
  #worked = -Infinity

  /** What was sent then has been answered, so the way led there and back. */
  worked (sent: number): void {
    if (sent > this.#worked) this.#worked = sent
  }

  /** Whether an answer has been awaited in silence since before `time`, and nothing that was sent later has been answered. */
  silentSince (time: number): boolean {
    if (this.#worked > time) return false
    for (const { heard } of this.awaited) if (heard < time) return true
    return false
  }

  /** Gives up the answers of which nothing was heard since `time`; false: there were none. */
  breakOff (time: number, error: Error): boolean {
    const lost = [...this.awaited].filter(answer => answer.heard < time)
    for (const answer of lost) answer.breakOff(error)
    return lost.length > 0
  }
}
