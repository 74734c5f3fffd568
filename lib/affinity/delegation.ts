import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity, NodeStatus } from '../directory/node.ts'
import { DirectoryUnavailableError } from '../errors.ts'
import type { Incoming } from '../sessions/incoming.ts'
import { refusal, RETRY_AFTER } from './found.ts'
import type { Found } from './found.ts'
import { isTooLarge } from './hops.ts'
import type { Hops } from './hops.ts'

/** Other nodes that are tried for a session that does not fit here. */
const CANDIDATES = 3

export interface DelegationParts {
  hops: Hops
  directory: Pick<SessionDirectory, 'nodes'>
  /** This one. */
  node: Pick<NodeIdentity, 'id' | 'url'>
}

/** Lets other nodes take what does not fit here. */
export class Delegation {
  readonly #parts: DelegationParts

  constructor (parts: DelegationParts) {
    this.#parts = parts
  }

  /**
   * Lets another node take what does not fit here: the one with the most room,
   * or the next, of this format or newer. Undefined: there is none, and nothing was answered.
   */
  async delegate (incoming: Incoming, format = 0): Promise<Found | undefined> {
    const { hops } = this.#parts
    if (!hops.may(incoming)) return undefined
    hops.began(incoming)
    for (const candidate of await this.candidates(format)) {
      const forwarded = await hops.pass(incoming, candidate.url!, candidate.format)
      if (forwarded.outcome === 'answered') return hops.answered()
      if (forwarded.outcome === 'lost') return refusal('owner_lost', { retryAfter: RETRY_AFTER, err: forwarded.error })
      if (isTooLarge(forwarded)) return refusal('headers_too_large')
    }
    return undefined
  }

  /** The nodes that may take a session, of this format or newer, those with the most room first. */
  async candidates (least: number): Promise<NodeStatus[]> {
    const { directory, node } = this.#parts
    let nodes: NodeStatus[]
    try {
      nodes = await directory.nodes()
    } catch (error) {
      if (error instanceof DirectoryUnavailableError) return []
      throw error
    }
    return nodes
      .filter(({ id, url, state, room, format }) => format >= least && id !== node.id && url !== undefined && url !== node.url && state === 'up' && room > 0)
      .sort((a, b) => b.room - a.room || a.sessions - b.sessions)
      .slice(0, CANDIDATES)
  }
}
