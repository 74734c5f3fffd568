import { sessionDigest, tagOf } from '../session-id.ts'
import type { LocalSession } from './session.ts'

/** The sessions of this process, of all endpoints: each is in a place that its endpoint has for it. */
export class SessionStore {
  readonly #sessions = new Map<string, LocalSession>()
  /** Ids by digest. */
  readonly #digests = new Map<string, string>()
  /** How many sessions have which tag. */
  readonly #tagged = new Map<string, number>()

  get size (): number { return this.#sessions.size }
  get (id: string): LocalSession | undefined { return this.#sessions.get(id) }
  has (id: string): boolean { return this.#sessions.has(id) }
  idOf (digest: string): string | undefined { return this.#digests.get(digest) }
  ids (): Iterable<string> { return this.#sessions.keys() }
  values (): Iterable<LocalSession> { return this.#sessions.values() }

  /** How many sessions have which tag. */
  get tagged (): Record<string, number> { return Object.fromEntries(this.#tagged) }

  /** Puts a session into its reserved place. */
  add (session: LocalSession): void {
    this.#sessions.set(session.id, session)
    this.#digests.set(sessionDigest(session.id), session.id)
    session.endpoint.places.came()
    this.#count(session.id, 1)
  }

  /** Takes a session out, its place with it. False when it is not here. */
  delete (session: LocalSession): boolean {
    if (!this.#sessions.delete(session.id)) return false
    this.#digests.delete(sessionDigest(session.id))
    this.#count(session.id, -1)
    session.endpoint.places.left(session.principalKey)
    return true
  }

  #count (id: string, more: number): void {
    const tag = tagOf(id)
    if (tag === undefined) return
    const count = (this.#tagged.get(tag) ?? 0) + more
    if (count === 0) this.#tagged.delete(tag)
    else this.#tagged.set(tag, count)
  }
}
