import type { NewRecord, NodeIdentity } from '../sessions/directory.ts'
import type { Keys } from './keys.ts'
import type { Call, Link } from './link.ts'
import { toHash } from './record-hash.ts'
import { addRecord, dropRecord, renewRecord, touchIndex, trimIndex } from './record-scripts.ts'

/** The index outlives its node, for listing and for whoever cleans up: 30 days. */
const INDEX_LIFE = String(30 * 24 * 3600 * 1000)

export interface OwnRecordsParts {
  link: Link
  keys: Keys
  node: NodeIdentity
  /** Life of a record, in milliseconds. */
  ttl: number
  /** Redis refused a command, or did not answer it. */
  onFailed: (err: unknown) => void
}

export interface Write {
  /** `taken`: another owner's record has this id. */
  outcome: Promise<'written' | 'taken' | 'failed'>
  /** Resolves when the client has an answer or has given up, however late. */
  settled: Promise<unknown>
}

/** What renewing found, by id. */
export interface Renewed { kept: string[], taken: string[], absent: string[], failed: string[] }

/** The commands on the records of this node and epoch, each with its share of the index. None throws. */
export class OwnRecords {
  readonly #parts: OwnRecordsParts

  constructor (parts: OwnRecordsParts) {
    this.#parts = parts
  }

  /** Writes a record unless another owner has one. */
  write (record: NewRecord, bound?: number): Write {
    const { link, keys, node, ttl } = this.#parts
    const written = link.issue({ script: addRecord, key: keys.session(record.id), args: [node.id, node.epoch, String(ttl), ...toHash(record)] }, bound)
    const indexed = link.issue(this.#indexed([record.id]), bound)
    const outcome = async () => {
      const [owner, index] = this.#numbers(await Promise.allSettled([written.answer, indexed.answer]))
      if (owner === 0) return 'taken'
      return owner === undefined || index === undefined ? 'failed' : 'written'
    }
    return { outcome: outcome(), settled: Promise.all([written.settled, indexed.settled]) }
  }

  async renew (ids: string[]): Promise<Renewed> {
    const { keys, node, ttl } = this.#parts
    const outcomes = await this.#all(ids.map(id => ({ script: renewRecord, key: keys.session(id), args: [node.id, node.epoch, String(ttl)] })))
    const those = (outcome: number | undefined) => ids.filter((_, i) => outcomes[i] === outcome)
    const renewed = { kept: those(1), taken: those(0), absent: those(-1), failed: those(undefined) }
    if (renewed.kept.length === 0) return renewed
    const [indexed] = await this.#all([this.#indexed(renewed.kept)])
    return indexed === undefined ? { ...renewed, kept: [], failed: [...renewed.failed, ...renewed.kept] } : renewed
  }

  /** Deletes records that are still ours. Returns the ids that are dealt with. */
  async drop (ids: string[], bound?: number): Promise<string[]> {
    const { keys, node } = this.#parts
    const calls: Call[] = ids.map(id => ({ script: dropRecord, key: keys.session(id), args: [node.id, node.epoch] }))
    const outcomes = await this.#all([...calls, { script: trimIndex, key: keys.index(node.id), args: ids }], bound)
    return ids.filter((_, i) => outcomes[i] !== undefined)
  }

  #indexed (ids: string[]): Call {
    const { keys, node } = this.#parts
    return { script: touchIndex, key: keys.index(node.id), args: [INDEX_LIFE, ...ids] }
  }

  async #all (calls: Call[], bound?: number): Promise<Array<number | undefined>> {
    return this.#numbers(await this.#parts.link.all(calls, bound))
  }

  /** What each script returned, undefined where it failed. */
  #numbers (outcomes: Array<PromiseSettledResult<unknown>>): Array<number | undefined> {
    return outcomes.map(outcome => {
      if (outcome.status === 'fulfilled') return Number(outcome.value)
      this.#parts.onFailed(outcome.reason)
      return undefined
    })
  }
}
