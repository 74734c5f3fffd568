/** What a breaker tells when it opens and closes. */
interface BreakerEvents {
  opened: (why: string) => void
  /** `outage`: for how many milliseconds it was open. */
  closed: (outage: number) => void
  /** The server answered a command. */
  answered: () => void
}

/** A server hangs when it takes so many times as long as of late, but this long at most, in milliseconds, unless its caller waits longer. */
const SLOWER = 3
const LONGEST = 1000
/** How slow answers are of late is the time of the slowest, which counts for this much less with each answer after it. */
const FADES = 0.9

/**
 * Stops us from issuing commands to a Redis server that doesn't answer, so
 * that nothing piles up in the client. A command that outlived its bound stays
 * in the client and is itself the probe: its answer closes the breaker. When
 * the client gave up on it without an answer, one command in a while may try.
 */
export class Breaker {
  readonly #events: BreakerEvents
  readonly #retry: number
  readonly #unanswered = new Set<object>()
  /** The command that tries whether the server answers again. */
  #probe: object | undefined
  #openSince: number | undefined
  #retryAt = 0
  /** How long answers take of late, in milliseconds. */
  #usual = 0

  /** `retry`: milliseconds between tries while no unanswered command is left. */
  constructor (events: BreakerEvents, retry: number) {
    this.#events = events
    this.#retry = retry
  }

  get open (): boolean {
    return this.#openSince !== undefined
  }

  /** Whether a command would be refused now, and none is on its way that may end that. */
  get silent (): boolean {
    return this.open && this.#probe === undefined && !this.#due(performance.now())
  }

  /** Whether a command may be issued now. While open, asking takes the turn. */
  admits (): boolean {
    if (this.#openSince === undefined) return true
    const now = performance.now()
    if (!this.#due(now)) return false
    this.#retryAt = now + this.#retry
    return true
  }

  /** A command that was admitted is on its way. */
  issued (command: object): void {
    if (this.open) this.#probe = command
  }

  /**
   * After how many milliseconds an unanswered command says that the server
   * hangs. A caller may have less patience than the way there and back takes.
   */
  patience (bound: number): number {
    return Math.max(bound, Math.min(SLOWER * this.#usual, LONGEST))
  }

  /** The server answered, with a result or with an error of its own, after so many milliseconds. */
  answered (took: number): void {
    this.#usual = Math.max(took, FADES * this.#usual)
    this.reset()
    this.#events.answered()
  }

  /** The command outlived its bound. */
  overdue (command: object, bound: number): void {
    this.#unanswered.add(command)
    this.#ended(command)
    this.#trip(`no answer within ${bound} ms`)
  }

  /** The client gave up on the command without an answer. */
  failed (command: object, why: string): void {
    this.#unanswered.delete(command)
    this.#ended(command)
    this.#trip(why)
  }

  /** A new connection, or an answer: start afresh. */
  reset (): void {
    this.#unanswered.clear()
    this.#probe = undefined
    if (this.#openSince === undefined) return
    const outage = performance.now() - this.#openSince
    this.#openSince = undefined
    this.#events.closed(outage)
  }

  #due (now: number): boolean {
    return this.#unanswered.size === 0 && now >= this.#retryAt
  }

  #ended (command: object): void {
    if (this.#probe === command) this.#probe = undefined
  }

  #trip (why: string): void {
    if (this.#openSince !== undefined) return
    this.#openSince = performance.now()
    this.#retryAt = this.#openSince + this.#retry
    this.#events.opened(why)
  }
}
