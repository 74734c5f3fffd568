import { LRUCache } from 'lru-cache'
import type { Location } from '../directory/directory.ts'
import type { NodeStatus } from '../directory/node.ts'
import type { SessionRecord } from '../directory/record.ts'

const REMEMBERED = 10_000

export type Misrouted = Extract<Location, { status: 'misrouted' }>

/** Which node owns a session that is not here: bounded, the one that nobody has asked for the longest makes room. */
export class OwnerCache {
  readonly #owners = new LRUCache<string, Misrouted>({ max: REMEMBERED })
  /** How often an owner was asked for: it was known for sure, or there is more to be done. */
  readonly asked = { hit: 0, miss: 0 }

  /** Without what only an adopter needs: it may be large, and changes. */
  remember ({ record, ...owner }: Misrouted): void {
    const { replay: _replay, state: _state, ...rest } = record
    this.#owners.set(record.id, { ...owner, record: rest })
  }

  forget (id: string): void {
    this.#owners.delete(id)
  }

  /** The owner; `sure`: it is up, with the recorded epoch, else the record is worth another look. `look` gives the latest look at the nodes; `evidence`: whoever is not in that look is gone, and forgotten here. */
  find (id: string, look: () => ReadonlyMap<string, { epoch: string, state: NodeStatus['state'] }>, evidence: boolean): { owner: Misrouted, sure: boolean } | undefined {
    const owner = this.#owners.get(id)
    if (owner === undefined) return this.#missed()
    const node = look().get(owner.record.node)
    if (node === undefined ? evidence : node.epoch !== owner.record.epoch) {
      this.#owners.delete(id)
      return this.#missed()
    }
    const sure = node?.state === 'up'
    this.asked[sure ? 'hit' : 'miss']++
    return { owner, sure }
  }

  #missed (): undefined {
    this.asked.miss++
  }
}

/** Where a record says that its session is, when its owner lives. */
export function misrouted (record: SessionRecord, { tag, url, format }: Pick<NodeStatus, 'tag' | 'url' | 'format'>): Misrouted {
  return { status: 'misrouted', record, tag, url, format }
}
