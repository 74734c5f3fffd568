import { sessionDigest } from '../session-id.ts'
import type { LocalSession } from './session.ts'

/** What a new session would exceed. */
export type Full = 'node_full' | 'principal_limit'

/**
 * The sessions of this process. A place is reserved before a session is made,
 * so that a burst of initialize requests cannot pass the caps together.
 */
export class SessionStore {
  readonly #sessions = new Map<string, LocalSession>()
  /** Ids by digest. */
  readonly #digests = new Map<string, string>()
  readonly #places = new Map<string, number>()
  readonly #limits: { maxPerNode: number, maxPerPrincipal: number }
  #reserved = 0

  constructor (limits: { maxPerNode: number, maxPerPrincipal: number }) {
    this.#limits = limits
  }

  get size (): number { return this.#sessions.size }
  get (id: string): LocalSession | undefined { return this.#sessions.get(id) }
  has (id: string): boolean { return this.#sessions.has(id) }
  idOf (digest: string): string | undefined { return this.#digests.get(digest) }
  ids (): Iterable<string> { return this.#sessions.keys() }
  values (): Iterable<LocalSession> { return this.#sessions.values() }

  /** Places that are reserved for sessions which are still being made. */
  get expected (): number { return this.#reserved - this.#sessions.size }

  /** How many more sessions fit. */
  get room (): number { return Math.max(0, this.#limits.maxPerNode - this.#reserved) }

  /**
   * Takes a place for a session that exists already and moves here: only this
   * node's own cap can be in the way. False: it is.
   */
  reserveMoved (principalKey: string | undefined): boolean {
    if (this.room === 0) return false
    if (principalKey !== undefined) this.#places.set(principalKey, (this.#places.get(principalKey) ?? 0) + 1)
    this.#reserved++
    return true
  }

  /** Takes a place for one session, or says which cap is in the way. Anonymous sessions count for the node alone. */
  reserve (principalKey: string | undefined): Full | undefined {
    if (this.#reserved >= this.#limits.maxPerNode) return 'node_full'
    if (principalKey !== undefined) {
      const places = this.#places.get(principalKey) ?? 0
      if (places >= this.#limits.maxPerPrincipal) return 'principal_limit'
      this.#places.set(principalKey, places + 1)
    }
    this.#reserved++
    return undefined
  }

  /** Gives a reserved place back. */
  unreserve (principalKey: string | undefined): void {
    this.#reserved--
    if (principalKey === undefined) return
    const places = this.#places.get(principalKey)! - 1
    if (places === 0) this.#places.delete(principalKey)
    else this.#places.set(principalKey, places)
  }

  /** Puts a session into its reserved place. */
  add (session: LocalSession): void {
    this.#sessions.set(session.id, session)
    this.#digests.set(sessionDigest(session.id), session.id)
  }

  /** Takes a session out, its place with it. False when it is not here. */
  delete (session: LocalSession): boolean {
    if (!this.#sessions.delete(session.id)) return false
    this.#digests.delete(sessionDigest(session.id))
    this.unreserve(session.principalKey)
    return true
  }
}
