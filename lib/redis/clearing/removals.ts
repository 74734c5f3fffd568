import { LRUCache } from 'lru-cache'
import { BEATS } from '../../beats.ts'
import { FORMAT } from '../../format.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { SessionRecord } from '../../directory/record.ts'
import type { Trails } from '../../directory/trails.ts'
import { mayRemove, removerKey } from '../../directory/remover.ts'
import type { Remover } from '../../directory/remover.ts'
import { NoAnswer } from '../link/bounded.ts'
import { CloseSet } from '../nodes/close-set.ts'
import type { Doubt } from '../../shared-directory/doubt.ts'
import type { Keys } from '../keys.ts'
import type { Call, Link } from '../link/link.ts'
import type { RecordReader } from '../finding/record-reader.ts'
import { removeRecord, trimIndex } from '../scripts/record-scripts.ts'
import { isRefusal } from '../link/redis-refusal.ts'
import { unavailable } from '../link/unavailable.ts'

const QUEUE = 1000
const ATTEMPTS = 3

interface Removal { id: string, by: Remover }

/** Closes that somebody asked for, of sessions that may live anywhere. */
export class Removals {
  readonly #link: Link
  readonly #keys: Keys
  readonly #reader: RecordReader
  readonly #doubt: Doubt
  readonly #node: Pick<NodeIdentity, 'id'>
  readonly #trails: Pick<Trails, 'note'>
  readonly #queue = new Map<string, Removal>()
  /** What was applied lately: a Redis that comes back empty has forgotten the close set too. */
  readonly #applied = new LRUCache<string, { removal: Removal, told: string[], beat: number }>({ max: QUEUE })
  #beats = 0

  constructor (parts: { link: Link, keys: Keys, reader: RecordReader, doubt: Doubt, node: Pick<NodeIdentity, 'id'>, trails: Pick<Trails, 'note'> }) {
    this.#link = parts.link
    this.#keys = parts.keys
    this.#reader = parts.reader
    this.#doubt = parts.doubt
    this.#node = parts.node
    this.#trails = parts.trails
  }

  /**
   * Removes the record of a session, or queues that while Redis is away, or refuses it.
   * @throws DirectoryUnavailableError
   */
  async remove (id: string, by: Remover): Promise<'removed' | 'unknown' | 'queued'> {
    const removal = { id, by }
    try {
      const outcome = await this.#apply(removal, await this.#reader.read(id, by !== 'any' && 'principal' in by ? by.principal : ''))
      if (outcome === 'told') throw unavailable('the record of the session is for newer versions of fastify-mcp-sticky; its owner is told, if it lives')
      // Its owner may be gone, and would say it too.
      if (outcome === 'removed') this.#trails.note(id, { what: 'ended', at: Date.now(), node: this.#node.id, reason: 'requested' })
      return outcome
    } catch (err) {
      if (!(err instanceof NoAnswer || isRefusal(err))) throw err
    }
    if (this.#queue.size >= QUEUE) throw unavailable('too many removals are waiting for it')
    this.#queue.set(keyOf(removal), removal)
    return 'queued'
  }

  /** Somebody has asked for the end of a session that was here: others are told in the next turn. False: too many wait, ask again. */
  ask (id: string, by: Remover): boolean {
    if (this.#queue.size >= QUEUE) return false
    this.#queue.set(keyOf({ id, by }), { id, by })
    return true
  }

  /** Who has asked for the end of a session, and is waiting for it. */
  waiting (id: string): Remover[] {
    return this.#queue.size === 0 ? [] : [...this.#queue.values()].flatMap(removal => removal.id === id ? [removal.by] : [])
  }

  /** This node has beaten. Owners look into their close sets as they beat: after a few, they have seen what was asked. */
  beaten (): void {
    this.#beats++
    this.#applied.forEach(({ beat }, key) => { if (this.#beats - beat > BEATS.told) this.#applied.delete(key) })
  }

  /** Tells once more what was applied lately: a close set that is lost before its node has looked leaves no trace. */
  async remind (): Promise<void> {
    const calls: Call[] = []
    this.#applied.forEach(({ removal, told }) => calls.push(...told.map(node => new CloseSet(this.#link, this.#keys, node).adding(removal.id))))
    for (const outcome of await this.#link.all(calls)) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Redis may have lost what it was told: asks once more for what an owner may not have found in its close set yet. */
  again (): void {
    this.#applied.rforEach(({ removal }, key) => this.#queue.set(key, removal))
  }

  /** Applies what was queued; what can't be applied yet stays. */
  async flush (): Promise<void> {
    for (const [key, removal] of this.#queue) {
      if (!this.#link.ready) return
      const asked = performance.now()
      const record = await this.#reader.fresh(removal.id)
      // Its owner may be about to write it again, and must not be left with it.
      if (record === undefined && this.#doubt.since(asked)) continue
      await this.#apply(removal, record)
      this.#queue.delete(key)
    }
  }

  /**
   * The owner is told first, and whoever may hold the session still: a node that finds its
   * record gone looks into its close set before it writes it again. `told`: the
   * record is for nodes of a newer format, and to be deleted by one of them.
   */
  async #apply (removal: Removal, record: SessionRecord | undefined): Promise<'removed' | 'told' | 'unknown'> {
    const { id, by } = removal
    for (let attempt = 0; record !== undefined && attempt < ATTEMPTS; attempt++) {
      if (!mayRemove(by, record)) return 'unknown'
      const told = [record.node, ...record.formerly ?? []]
      await Promise.all(told.map(node => new CloseSet(this.#link, this.#keys, node).add(id)))
      if ((record.reader ?? 0) > FORMAT) return 'told'
      const dropped = Number(await this.#link.run(removeRecord, this.#keys.session(id), [record.node, record.epoch]))
      if (dropped !== 0) {
        this.#applied.set(keyOf(removal), { removal, told, beat: this.#beats })
        this.#link.run(trimIndex, this.#keys.index(record.node), [id]).catch(() => {})
        return 'removed'
      }
      record = await this.#reader.fresh(id)
    }
    if (record === undefined) return 'unknown'
    throw unavailable('the session keeps changing its owner')
  }
}

function keyOf ({ id, by }: Removal): string {
  return `${id} ${removerKey(by)}`
}
