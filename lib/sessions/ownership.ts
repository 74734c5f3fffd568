import type { FastifyBaseLogger } from 'fastify'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { Lease } from './lease.ts'
import type { TransportEvents } from './server-builder.ts'
import type { LocalSession } from './session.ts'
import type { SessionStore } from './store.ts'

/** How often a session asks in a row whether it is still ours. */
const RECLAIMS = 3

export interface OwnershipParts {
  node: NodeIdentity
  store: SessionStore
  directory: Pick<SessionDirectory, 'away' | 'changed' | 'reclaim'>
  /** With `orphan: 'adopt'`: others may take a session over. */
  lease: Pick<Lease, 'holds'> | undefined
  log: FastifyBaseLogger
}

/** Whether the sessions that are here are this node's. */
export class Ownership {
  readonly #parts: OwnershipParts
  /** Questions to the directory whether a session is still ours. */
  readonly #reclaims = new Map<string, Promise<boolean>>()
  #unsure = false

  constructor (parts: OwnershipParts) {
    this.#parts = parts
  }

  /**
   * Whether a local session is still this node's. Undefined: beyond doubt, or nobody can say. False: it has been ended
   * here. A directory that does not answer leaves it ours: availability over exclusivity. While it is known not to, it
   * is not asked for each request.
   */
  secured (session: LocalSession): Promise<boolean> | undefined {
    const { lease } = this.#parts
    if (lease === undefined || lease.holds(session.epoch)) return undefined
    if (this.#parts.directory.away(session.id)) {
      this.#heard(false)
      return undefined
    }
    let asked = this.#reclaims.get(session.id)
    if (asked === undefined) {
      asked = this.#reclaim(session).finally(() => this.#reclaims.delete(session.id))
      this.#reclaims.set(session.id, asked)
    }
    return asked
  }

  /** What the transport of a session needs that others may take over. */
  callbacks (session: () => LocalSession | undefined): Pick<TransportEvents, 'secured' | 'remember'> {
    if (this.#parts.lease === undefined) return {}
    return {
      secured: () => {
        const open = session()
        return open && this.secured(open)
      },
      remember: () => {
        const open = session()
        if (open !== undefined) this.#parts.directory.changed(open.id)
      }
    }
  }

  async #reclaim (session: LocalSession): Promise<boolean> {
    const { directory, lease, store } = this.#parts
    let outcome: Awaited<ReturnType<SessionDirectory['reclaim']>> = 'unanswered'
    for (let i = 0; i < RECLAIMS; i++) {
      outcome = await directory.reclaim(session.id)
      if (outcome !== 'kept' || lease!.holds(session.epoch)) break
      // The answer is old: this process was paused before it heard it, and others may have taken the session since.
      outcome = 'unanswered'
    }
    this.#heard(outcome !== 'unanswered')
    return outcome !== 'lost' && store.get(session.id) === session
  }

  /** Whether the directory says whose the sessions are that are served. */
  #heard (answered: boolean): void {
    if (!answered && !this.#unsure) {
      this.#parts.log.warn({ node: this.#parts.node.id }, 'the lease of this node has lapsed and the directory does not answer: its sessions are served all the same; if another node took them for orphans, they have two owners until it does')
    }
    this.#unsure = !answered
  }
}
