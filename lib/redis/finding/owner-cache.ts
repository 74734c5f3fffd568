import { LRUCache } from 'lru-cache'
import type { Location } from '../../directory/directory.ts'
import type { SessionRecord } from '../../directory/record.ts'
import type { NodeState } from '../nodes/node-state.ts'

const REMEMBERED = 10_000

export type Misrouted = Extract<Location, { status: 'misrouted' }>

/** Whether a remembered owner still is one: by the latest look at the nodes. */
export type Standing =
  /** Up, with the recorded epoch. */
  | 'up'
  /** Not known to be gone, but the record is worth another look. */
  | 'doubtful'

/** Which node owns a session that is not here: bounded, the one that nobody has asked for the longest makes room. */
export class OwnerCache {
  readonly #owners = new LRUCache<string, Misrouted>({ max: REMEMBERED })

  /** Without what only an adopter needs: it may be large, and changes. */
  remember ({ record, ...owner }: Misrouted): void {
    const { replay: _replay, state: _state, ...rest } = record
    this.#owners.set(record.id, { ...owner, record: rest })
  }

  forget (id: string): void {
    this.#owners.delete(id)
  }

  /** The owner, and whether to trust that: `look` gives the latest look at the nodes; `evidence`: whoever is not in that look is gone, and forgotten here. */
  find (id: string, look: () => ReadonlyMap<string, NodeState>, evidence: boolean): { owner: Misrouted, standing: Standing } | undefined {
    const owner = this.#owners.get(id)
    if (owner === undefined) return undefined
    const node = look().get(owner.record.node)
    if (node === undefined ? evidence : node.epoch !== owner.record.epoch) {
      this.#owners.delete(id)
      return undefined
    }
    return { owner, standing: node?.state === 'up' ? 'up' : 'doubtful' }
  }
}

/** Where a record says that its session is, when its owner lives. */
export function misrouted (record: SessionRecord, { tag, url, format }: NodeState): Misrouted {
  return { status: 'misrouted', record, tag, url, format }
}
