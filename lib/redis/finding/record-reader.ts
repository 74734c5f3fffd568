import { sessionName, tagOf } from '../../session-id.ts'
import { Limiter } from '../../bounds/limiter.ts'
import { Recent } from '../../bounds/recent.ts'
import type { TagTable } from '../../directory/tag-table.ts'
import type { SessionRecord } from '../../directory/record.ts'
import type { Doubt } from '../../shared-directory/doubt.ts'
import { IndexLook } from './index-look.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import { MissBudgets } from '../../shared-directory/miss-budgets.ts'
import type { NodeRegistry } from '../nodes/node-registry.ts'
import { fromHash } from '../record-hash.ts'
import { readRecord } from '../scripts/record-scripts.ts'
import { unavailable } from '../link/unavailable.ts'
import type { Unreadable } from '../link/unreadable.ts'

/** Reads at a time: fewer than a caller's burst of misses, so that a storm of ids that exist waits its turn and is not taken for a flood. */
const AT_A_TIME = 500
/** For how long an absence is remembered, in milliseconds: a node that was cut off may write the record any time. */
const ABSENCE = 1000
const REMEMBERED = 10_000

/**
 * Reads records for ids that clients sent, sparing Redis the ones that don't
 * exist. Whoever has asked for too many of those is not read for: his ids are
 * looked for in the nodes' indexes, many at a time, and only what is found there is read.
 */
export class RecordReader {
  readonly #link: Link
  readonly #keys: Keys
  readonly #registry: NodeRegistry
  readonly #tags: Pick<TagTable, 'latest'>
  readonly #doubt: Doubt
  readonly #unreadable: Unreadable
  readonly #reading = new Map<string, Promise<SessionRecord | undefined>>()
  /** Ids that were absent a moment ago. */
  readonly #absent = new Recent(REMEMBERED, ABSENCE)
  readonly #budgets: MissBudgets
  readonly #indexes: IndexLook
  // Two: a flood of made-up ids must not hold up those that a node may have made.
  readonly #turnsOfKnown = new Limiter(AT_A_TIME)
  readonly #turnsOfOthers = new Limiter(AT_A_TIME)

  constructor (parts: { link: Link, keys: Keys, registry: NodeRegistry, tags: Pick<TagTable, 'latest'>, doubt: Doubt, unreadable: Unreadable, budgets?: MissBudgets }) {
    this.#link = parts.link
    this.#keys = parts.keys
    this.#registry = parts.registry
    this.#tags = parts.tags
    this.#doubt = parts.doubt
    this.#unreadable = parts.unreadable
    this.#budgets = parts.budgets ?? new MissBudgets()
    this.#indexes = new IndexLook(parts)
  }

  /**
   * The record of an id, or undefined when it is absent beyond doubt, or is
   * nowhere listed and `by` has asked for too many that are absent. `by`: who
   * asks. `anew`: whatever is remembered, or being read.
   * @throws DirectoryUnavailableError, NoAnswer
   */
  read (id: string, by = '', anew = false): Promise<SessionRecord | undefined> {
    const tag = tagOf(id)
    if (anew) this.#absent.delete(id)
    if (tag === undefined || this.#absent.has(id)) return Promise.resolve(undefined)
    let reading = anew ? undefined : this.#reading.get(id)
    if (!reading) {
      const begun = this.#readOnce(id, tag, by).finally(() => {
        if (this.#reading.get(id) === begun) this.#reading.delete(id)
      })
      reading = begun
      this.#reading.set(id, begun)
    }
    return reading
  }

  /** The record as it stands, whatever is remembered. */
  async fresh (id: string): Promise<SessionRecord | undefined> {
    const what = `the record of the session ${sessionName(id)}`
    const fields = await this.#unreadable.orAbsent<unknown[]>(what, this.#link.run(readRecord, this.#keys.session(id)), [])
    const record = fromHash(id, fields)
    if (record === undefined && fields.length > 0) this.#unreadable.found(what)
    return record
  }

  async #readOnce (id: string, tag: string, by: string): Promise<SessionRecord | undefined> {
    const known = this.#tags.latest().has(tag) || await this.#registry.knows(tag)
    const turns = known ? this.#turnsOfKnown : this.#turnsOfOthers
    const asked = performance.now()
    const read = await turns.run(() => this.#spend(id, by, known))
    const record = read === undefined ? await this.#listed(id) : read.record
    if (record) return record
    if (this.#doubt.since(asked)) throw unavailable('the records may not be complete', this.#doubt.left)
    this.#absent.add(id)
    return undefined
  }

  /** Reads a record, if there is something left to be missed; one that is there costs nothing. */
  async #spend (id: string, by: string, known: boolean): Promise<{ record: SessionRecord | undefined } | undefined> {
    const giveBack = this.#budgets.take(by, known)
    if (giveBack === undefined) return undefined
    let missed = false
    try {
      const record = await this.fresh(id)
      missed = record === undefined
      return { record }
    } finally {
      if (!missed) giveBack()
    }
  }

  async #listed (id: string): Promise<SessionRecord | undefined> {
    return await this.#indexes.has(id) ? await this.fresh(id) : undefined
  }
}
