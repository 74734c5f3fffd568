import { shortId, tagOf } from '../session-id.ts'
import type { SessionRecord } from '../sessions/directory.ts'
import type { Doubt } from './doubt.ts'
import type { Keys } from './keys.ts'
import type { Link } from './link.ts'
import { MissBudget } from './miss-budget.ts'
import type { NodeRegistry } from './node-registry.ts'
import { fromHash } from './record-hash.ts'
import { readRecord } from './record-scripts.ts'
import { Turns } from './turns.ts'
import { unavailable } from './unavailable.ts'
import type { Unreadable } from './unreadable.ts'

const MISSES_A_SECOND = 500
const BURST = 1000
/** Reads at a time: fewer than the burst, so that a storm of ids that exist waits its turn and is not taken for a flood. */
const AT_A_TIME = 500
/** For how long an absence is remembered, in milliseconds: a node that was cut off may write the record any time. */
const ABSENCE = 1000
const REMEMBERED = 10_000

/** Reads records for ids that clients sent, sparing Redis the ones that don't exist. */
export class RecordReader {
  readonly #link: Link
  readonly #keys: Keys
  readonly #registry: NodeRegistry
  readonly #doubt: Doubt
  readonly #unreadable: Unreadable
  readonly #reading = new Map<string, Promise<SessionRecord | undefined>>()
  /** Absent ids and until when to believe it. */
  readonly #absent = new Map<string, number>()
  // Two of each: a flood of made-up ids must not starve the ids of live nodes.
  readonly #ofLiveTags = { budget: new MissBudget(MISSES_A_SECOND, BURST), turns: new Turns(AT_A_TIME) }
  readonly #ofOtherTags = { budget: new MissBudget(MISSES_A_SECOND, BURST), turns: new Turns(AT_A_TIME) }

  constructor (parts: { link: Link, keys: Keys, registry: NodeRegistry, doubt: Doubt, unreadable: Unreadable }) {
    this.#link = parts.link
    this.#keys = parts.keys
    this.#registry = parts.registry
    this.#doubt = parts.doubt
    this.#unreadable = parts.unreadable
  }

  /**
   * The record of an id, or undefined when it is absent beyond doubt. `anew`:
   * whatever is remembered, or being read.
   * @throws DirectoryUnavailableError, NoAnswer
   */
  read (id: string, anew = false): Promise<SessionRecord | undefined> {
    const tag = tagOf(id)
    if (anew) this.#absent.delete(id)
    if (tag === undefined || (this.#absent.get(id) ?? 0) > performance.now()) return Promise.resolve(undefined)
    let reading = anew ? undefined : this.#reading.get(id)
    if (!reading) {
      const begun = this.#readOnce(id, tag).finally(() => {
        if (this.#reading.get(id) === begun) this.#reading.delete(id)
      })
      reading = begun
      this.#reading.set(id, begun)
    }
    return reading
  }

  /** The record as it stands, whatever is remembered. */
  async fresh (id: string): Promise<SessionRecord | undefined> {
    const what = `the record of the session ${shortId(id)}`
    const fields = await this.#unreadable.orAbsent<unknown[]>(what, this.#link.run(readRecord, this.#keys.session(id)), [])
    const record = fromHash(id, fields)
    if (record === undefined && fields.length > 0) this.#unreadable.found(what)
    return record
  }

  async #readOnce (id: string, tag: string): Promise<SessionRecord | undefined> {
    const live = [...(await this.#registry.alive()).values()].some(node => node.tag === tag)
    const { budget, turns } = live ? this.#ofLiveTags : this.#ofOtherTags
    const asked = performance.now()
    const record = await turns.run(() => this.#spend(budget, id))
    if (record) return record
    if (this.#doubt.since(asked)) throw unavailable('the records may not be complete', this.#doubt.left)
    this.#remember(id, performance.now() + ABSENCE)
    return undefined
  }

  /** Reads a record; one that is there costs nothing. */
  async #spend (budget: MissBudget, id: string): Promise<SessionRecord | undefined> {
    if (!budget.take()) throw unavailable('too many unknown session ids are being asked for')
    let missed = false
    try {
      const record = await this.fresh(id)
      missed = record === undefined
      return record
    } finally {
      if (!missed) budget.giveBack()
    }
  }

  #remember (id: string, until: number): void {
    this.#absent.delete(id)
    if (this.#absent.size >= REMEMBERED) this.#absent.delete(this.#absent.keys().next().value!)
    this.#absent.set(id, until)
  }
}
