import type { Availability } from './link/availability.ts'
import { isRefusal } from './link/redis-refusal.ts'
import type { Doubt } from '../shared-directory/doubt.ts'

/** What follows from commands that failed: a line in the log, and doubt, since what Redis refuses of ours it may refuse of others. */
export class Failures {
  readonly #availability: Availability
  readonly #doubt: Doubt

  constructor ({ availability, doubt }: { availability: Availability, doubt: Doubt }) {
    this.#availability = availability
    this.#doubt = doubt
  }

  /** A command failed. */
  failed (err: unknown): void {
    if (isRefusal(err)) this.#doubt.raise()
    this.#availability.failed(err)
  }

  /** A beat failed: nothing of ours is written while Redis refuses that. */
  beatFailed (err: unknown): void {
    if (!isRefusal(err)) return this.failed(err)
    this.#doubt.refuse()
    this.#availability.refused(err)
  }

  /** Redis has taken all of a beat. */
  beatTaken (): void {
    if (this.#doubt.accept()) this.#availability.accepted()
  }

  /** For work whose failures its caller is told. */
  async noting<T> (work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (err) {
      if (isRefusal(err)) this.#doubt.raise()
      throw err
    }
  }

  /** For work that nobody waits for: undefined when it failed. */
  async attempt<T> (work: Promise<T>): Promise<T | undefined> {
    try {
      return await work
    } catch (err) {
      this.failed(err)
      return undefined
    }
  }
}
