import type { SessionDirectory } from '../directory/directory.ts'
import { hasEndpoint } from '../directory/node.ts'
import type { NodeIdentity, NodeStatus } from '../directory/node.ts'
import type { Incoming } from '../sessions/incoming.ts'
import type { Found } from './found.ts'
import { orNothing } from './heirs.ts'
import type { Hops } from './hops.ts'

/** Nodes that are tried for a call without a session. */
const CANDIDATES = 3

interface ErasParts {
  /** The endpoint's name. */
  endpoint: string
  hops: Hops
  directory: Pick<SessionDirectory, 'peers'>
  /** This one. */
  node: Pick<NodeIdentity, 'id' | 'url' | 'unannounced'>
}

/**
 * Which nodes serve calls without sessions, while a deploy turns that on or off: clients
 * remember for long which era a server speaks, so they hear of it when all
 * nodes do and none is told to keep it to itself, and until none does who asks in vain here is answered elsewhere.
 */
export class Eras {
  readonly #parts: ErasParts
  #announced = false

  constructor (parts: ErasParts) {
    this.#parts = parts
  }

  /**
   * Whether every live node that has the endpoint serves calls without sessions,
   * and none wants that to be kept from clients; as it was, while the directory cannot be reached.
   */
  async announced (): Promise<boolean> {
    const { directory, endpoint, node } = this.#parts
    // What this node is told itself holds whatever the directory says.
    if (node.unannounced.includes(endpoint)) return false
    const peers = await orNothing(directory.peers(false))
    if (peers !== undefined) this.#announced = peers.every(peer => !hasEndpoint(peer, endpoint) || announces(peer, endpoint))
    return this.#announced
  }

  /** Lets a node that serves them answer a call without a session. Undefined: there is none, and nothing was answered. */
  async pass (incoming: Incoming): Promise<Found | undefined> {
    const { hops } = this.#parts
    if (!hops.may(incoming)) return undefined
    hops.began(incoming)
    return hops.toAny(incoming, await this.#serving())
  }

  /** In an order of chance: any is as good as any other. */
  async #serving (): Promise<NodeStatus[]> {
    const { directory, endpoint, node } = this.#parts
    const peers = await orNothing(directory.peers(false))
    return (peers ?? [])
      .filter(peer => serves(peer, endpoint))
      .filter(({ id, url, state }) => id !== node.id && url !== undefined && url !== node.url && state === 'up')
      .map(peer => ({ peer, chance: Math.random() }))
      .sort((a, b) => a.chance - b.chance)
      .slice(0, CANDIDATES)
      .map(({ peer }) => peer)
  }
}

function announces (peer: NodeStatus, endpoint: string): boolean {
  return serves(peer, endpoint) && peer.unannounced?.includes(endpoint) !== true
}

function serves ({ stateless }: Pick<NodeStatus, 'stateless'>, endpoint: string): boolean {
  return stateless?.includes(endpoint) === true
}
