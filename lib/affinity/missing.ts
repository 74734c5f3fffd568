import type { SessionDirectory, Location } from '../directory/directory.ts'
import { hasEndpoint } from '../directory/node.ts'
import type { NodeStatus } from '../directory/node.ts'
import { DirectoryUnavailableError } from '../errors.ts'
import { tagOf } from '../session-id.ts'
import type { Owners, Standing } from './evidence/owners.ts'
import type { Addressed } from '../sessions/incoming.ts'
import type { AffinityRefusal } from './found.ts'

interface MissingParts {
  /** The name of the one whose sessions are looked for. */
  endpoint: string
  directory: Pick<SessionDirectory, 'beats' | 'lastSeen'>
  /** Finds out about owners that are missed in the directory; undefined where nothing is forwarded. */
  owners: Pick<Owners, 'recorded' | 'unrecorded'> | undefined
  /** This node's own. */
  url: string | undefined
}

/** Sessions that the directory does not know, or whose owner it misses. */
export class Missing {
  readonly #parts: MissingParts

  constructor (parts: MissingParts) {
    this.#parts = parts
  }

  /**
   * Before anybody is told that a session is nowhere: the node that its record names, or its id, may hold
   * it though Redis has lost its record, or its node's heartbeat.
   */
  async standing ({ id, caller, hop }: Addressed, location: Location, reason: AffinityRefusal): Promise<Standing> {
    const { owners, url } = this.#parts
    const gone = { owner: 'gone' } as const
    if (owners === undefined || hop) return gone
    // Somebody else's is looked for as if it had no record, so that nothing tells it from one that is nowhere.
    const mine = location.status !== 'unknown' && location.record.principal === caller.key
    if (location.status === 'orphaned' && mine) return reason === 'orphaned' && location.record.released !== true ? owners.recorded(location.record) : gone
    if (mine || (location.status === 'unknown' && location.ended === true)) return gone
    const found: Standing[] = []
    for (const { id: node, url: its, format } of this.named(id)) {
      if (its === undefined || its === url) continue
      const standing = await owners.unrecorded(id, { id: node, url: its, format, beats: () => this.#beats(node) })
      if (standing.owner === 'holds') return standing
      if (standing.owner !== 'gone') found.push(standing)
    }
    return found[0] ?? gone
  }

  /** Whether a node is alive, or nobody can say. */
  async #beats (id: string): Promise<boolean> {
    try {
      return await this.#parts.directory.beats(id)
    } catch (error) {
      if (error instanceof DirectoryUnavailableError) return true
      throw error
    }
  }

  /** The nodes that the id names, as they were seen last, and that have the endpoint: who holds its tag, and whose url the tag is of. */
  named (id: string): NodeStatus[] {
    const tag = tagOf(id)
    const { directory, endpoint } = this.#parts
    return tag === undefined ? [] : directory.lastSeen(tag).filter(node => hasEndpoint(node, endpoint))
  }
}
