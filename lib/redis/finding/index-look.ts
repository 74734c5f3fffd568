import { Gather } from '../../bounds/gather.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import type { NodeRegistry } from '../nodes/node-registry.ts'
import { listedIn } from '../scripts/record-scripts.ts'

/** For how long ids are gathered, in milliseconds. */
const WAIT = 10

/**
 * Looks for sessions in the indexes of all nodes, the dead included: many at a
 * time, one command a node, so that a flood of ids costs Redis no more than a
 * trickle. An index is a hint: a session may be missing in it, though that is rare.
 */
export class IndexLook {
  readonly #link: Link
  readonly #keys: Keys
  readonly #registry: Pick<NodeRegistry, 'ids'>
  readonly #asking = new Gather<boolean>(ids => this.#look(ids), WAIT)

  constructor ({ link, keys, registry }: { link: Link, keys: Keys, registry: Pick<NodeRegistry, 'ids'> }) {
    this.#link = link
    this.#keys = keys
    this.#registry = registry
  }

  /**
   * Whether some node has, or had, the session.
   * @throws NoAnswer, or the error that Redis answered.
   */
  has (id: string): Promise<boolean> {
    return this.#asking.ask(id)
  }

  async #look (ids: string[]): Promise<(id: string) => boolean> {
    const nodes = await this.#registry.ids()
    const looks = await this.#link.all(nodes.map(node => ({ script: listedIn, key: this.#keys.index(node), args: ids })))
    const found = new Set<string>()
    for (const look of looks) {
      // A session that is not found where nobody could look is not absent.
      if (look.status === 'rejected') throw look.reason
      for (const id of look.value as string[]) found.add(id)
    }
    return id => found.has(id)
  }
}
