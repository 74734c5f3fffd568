import type { FastifyBaseLogger } from 'fastify'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { Lease } from './lease.ts'
import type { TransportEvents } from './server-builder.ts'
import type { LocalSession } from './session.ts'
import type { SessionStore } from './store.ts'

/** How often the directory is asked in a row about one session, when this process was paused before it heard the answer. */
const RECLAIMS = 3

interface OwnershipParts {
  node: NodeIdentity
  store: SessionStore
  directory: Pick<SessionDirectory, 'away' | 'changed' | 'reclaim'>
  /** With `orphan: 'adopt'`: others may take a session over. Undefined: nobody does, so what is here is ours. */
  lease: Pick<Lease, 'holds'> | undefined
  log: FastifyBaseLogger
}

/**
 * Whether the sessions that are held here are this node's to serve. While its
 * lease runs nobody takes one over (see lease.ts). When the lease has lapsed
 * another node may have taken them for orphans: the record of each is asked for
 * once before the session is served again.
 */
export class Ownership {
  readonly #parts: OwnershipParts
  /** Questions to the directory that are on their way, by session: who needs the session meanwhile shares the answer. */
  readonly #reclaims = new Map<string, Promise<boolean>>()
  /** Sessions are served though the directory did not say whose they are. */
  #unsure = false

  constructor (parts: OwnershipParts) {
    this.#parts = parts
  }

  /**
   * Whether a local session is still this node's; runs for each request, and makes a promise only when the directory has
   * to be asked. Undefined: it is, beyond doubt, or nobody can say. False: it is not, and has been ended here. A directory
   * that does not answer leaves the session with this node, so that it is served, though another may have it as well:
   * availability over exclusivity. While the directory is known not to answer, it is not asked for each request.
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

  /**
   * What the transport of a session calls back where others may take the session over: it asks whose the session is
   * before it lets the server speak, and says when an adopter would have more to repeat. Nothing where nobody adopts.
   * `session`: undefined until there is one.
   */
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
      // The lease has lapsed again, so the answer is old: this process was paused before it heard it, and others may have taken the session since.
      outcome = 'unanswered'
    }
    this.#heard(outcome !== 'unanswered')
    return outcome !== 'lost' && store.get(session.id) === session
  }

  /** Whether the directory has said whose a session is. If not, the session is served all the same, which the log says once for each silence. */
  #heard (answered: boolean): void {
    if (!answered && !this.#unsure) {
      this.#parts.log.warn({ node: this.#parts.node.id }, 'the lease of this node has lapsed and the directory does not answer: its sessions are served all the same; if another node took them for orphans, they have two owners until it does')
    }
    this.#unsure = !answered
  }
}
