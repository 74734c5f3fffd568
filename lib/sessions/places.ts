import { isAnonymous } from '../endpoint-name.ts'

/** What a new session would exceed. */
export type Full = 'node_full' | 'principal_limit'

/**
 * The places that this node has for the sessions of one endpoint. One is
 * reserved before a session is made, so that a burst of initialize requests
 * cannot pass the caps together.
 */
export class Places {
  readonly #limits: { maxPerNode: number, maxPerPrincipal: number }
  readonly #principals = new Map<string, number>()
  #reserved = 0
  #taken = 0

  constructor (limits: { maxPerNode: number, maxPerPrincipal: number }) {
    this.#limits = limits
  }

  /** Sessions that are in theirs. */
  get taken (): number { return this.#taken }

  /** Places that are reserved for sessions which are still being made. */
  get expected (): number { return this.#reserved - this.#taken }

  /** How many more sessions fit. */
  get room (): number { return Math.max(0, this.#limits.maxPerNode - this.#reserved) }

  /**
   * Reserves a place for a session that exists already and moves here: only this
   * node's own cap can be in the way. False: it is. `key`: whose it is.
   */
  reserveMoved (key: string | undefined): boolean {
    if (this.room === 0) return false
    if (key !== undefined && !isAnonymous(key)) this.#principals.set(key, (this.#principals.get(key) ?? 0) + 1)
    this.#reserved++
    return true
  }

  /** Reserves a place for one session, or says which cap is in the way. Anonymous sessions count for the node alone. */
  reserve (key: string | undefined): Full | undefined {
    if (this.#reserved >= this.#limits.maxPerNode) return 'node_full'
    if (key !== undefined && !isAnonymous(key)) {
      const places = this.#principals.get(key) ?? 0
      if (places >= this.#limits.maxPerPrincipal) return 'principal_limit'
      this.#principals.set(key, places + 1)
    }
    this.#reserved++
    return undefined
  }

  /** Gives a reserved place back. */
  unreserve (key: string | undefined): void {
    this.#reserved--
    if (key === undefined || isAnonymous(key)) return
    const places = this.#principals.get(key)! - 1
    if (places === 0) this.#principals.delete(key)
    else this.#principals.set(key, places)
  }

  /** A session has come into its reserved place. */
  came (): void {
    this.#taken++
  }

  /** A session has left, its place with it. */
  left (key: string | undefined): void {
    this.#taken--
    this.unreserve(key)
  }
}
