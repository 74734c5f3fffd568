import { SessionEndedError } from '../../errors.ts'

/**
 * Says whether the session is this node's beyond doubt: undefined, it is; a
 * promise while that is being found out. Must not reject; false is final.
 */
export type Secured = () => Promise<boolean> | undefined

/**
 * Holds back what the server says while another node may have taken the
 * session over (docs/architecture.md, Who owns a session). What waits goes in
 * order, and what comes later does not overtake it.
 */
export class Fence {
  readonly #secured: Secured
  #pending: Promise<boolean> | undefined
  #waiting = 0

  constructor (secured: Secured) {
    this.#secured = secured
  }

  /** Whether what the server says now has to go through `pass`. */
  get closed (): boolean {
    this.#pending ??= this.#secured()
    return this.#pending !== undefined
  }

  /**
   * Says something in its turn, if the session turns out to be ours.
   * @throws SessionEndedError when it does not; nothing is said any more.
   */
  async pass (say: () => Promise<void> | undefined): Promise<void> {
    this.#waiting++
    let ours = false
    try {
      // All who wait go on in the order in which they came, also those that come while the first of them do.
      ours = await this.#pending!
      if (!ours) throw new SessionEndedError()
      return say()
    } finally {
      if (--this.#waiting === 0 && ours) this.#pending = undefined
    }
  }
}
