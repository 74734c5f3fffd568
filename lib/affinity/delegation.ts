import type { SessionDirectory } from '../directory/directory.ts'
import { hasEndpoint } from '../directory/node.ts'
import type { NodeIdentity, NodeStatus } from '../directory/node.ts'
import type { Incoming } from '../sessions/incoming.ts'
import type { Found } from './found.ts'
import { orNothing } from './heirs.ts'
import type { Hops } from './hops.ts'

/** Other nodes that are tried for a session that does not fit here. */
const CANDIDATES = 3

interface DelegationParts {
  /** The name of the one whose sessions others are to take. */
  endpoint: string
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
    return hops.toAny(incoming, await this.candidates(format))
  }

  /** The nodes that may take a session of the endpoint, of this format or newer, those with the most room first. */
  async candidates (least: number): Promise<NodeStatus[]> {
    const { directory, endpoint, node } = this.#parts
    const nodes = await orNothing(directory.nodes())
    return (nodes ?? [])
      .filter(node => hasEndpoint(node, endpoint))
      .filter(({ id, url, state, room, format }) => format >= least && id !== node.id && url !== undefined && url !== node.url && state === 'up' && room > 0)
      .sort((a, b) => b.room - a.room || a.sessions - b.sessions)
      .slice(0, CANDIDATES)
  }
}
