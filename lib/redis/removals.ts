import type { Remover, SessionRecord } from '../sessions/directory.ts'
import { CloseSet } from './close-set.ts'
import type { Doubt } from './doubt.ts'
import type { Keys } from './keys.ts'
import { NoAnswer, type Link } from './link.ts'
import type { RecordReader } from './record-reader.ts'
import { dropRecord, trimIndex } from './record-scripts.ts'
import { unavailable } from './unavailable.ts'

const QUEUE = 1000
const ATTEMPTS = 3

/** Closes that somebody asked for, of sessions that may live anywhere. */
export class Removals {
  readonly #link: Link
  readonly #keys: Keys
  readonly #reader: RecordReader
  readonly #doubt: Doubt
  readonly #queue = new Map<string, { id: string, by: Remover }>()

  constructor (parts: { link: Link, keys: Keys, reader: RecordReader, doubt: Doubt }) {
    this.#link = parts.link
    this.#keys = parts.keys
    this.#reader = parts.reader
    this.#doubt = parts.doubt
  }

  /**
   * Removes the record of a session, or queues that while Redis is away.
   * @throws DirectoryUnavailableError
   */
  async remove (id: string, by: Remover): Promise<'removed' | 'unknown' | 'queued'> {
    try {
      return await this.#apply(id, by, await this.#reader.read(id))
    } catch (err) {
      if (!(err instanceof NoAnswer)) throw err
    }
    const who = by === 'any' ? 'any' : `by ${by.principal}`
    if (this.#queue.size >= QUEUE) throw unavailable('too many removals are waiting for it')
    this.#queue.set(`${id} ${who}`, { id, by })
    return 'queued'
  }

  /** Applies what was queued; what can't be applied yet stays. */
  async flush (): Promise<void> {
    for (const [key, { id, by }] of this.#queue) {
      if (!this.#link.ready) return
      const record = await this.#reader.fresh(id)
      // Its owner may be about to write it again, and must not be left with it.
      if (record === undefined && this.#doubt.left > 0) return
      await this.#apply(id, by, record)
      this.#queue.delete(key)
    }
  }

  /** The owner is told first: an owner that finds its record gone looks into its close set before it writes it again. */
  async #apply (id: string, by: Remover, record: SessionRecord | undefined): Promise<'removed' | 'unknown'> {
    for (let attempt = 0; record !== undefined && attempt < ATTEMPTS; attempt++) {
      if (by !== 'any' && by.principal !== record.principal) return 'unknown'
      await new CloseSet(this.#link, this.#keys, record.node).add(id)
      const dropped = Number(await this.#link.run(dropRecord, this.#keys.session(id), [record.node, record.epoch]))
      if (dropped !== 0) {
        this.#link.run(trimIndex, this.#keys.index(record.node), [id]).catch(() => {})
        return 'removed'
      }
      record = await this.#reader.fresh(id)
    }
    if (record === undefined) return 'unknown'
    throw unavailable('the session keeps changing its owner')
  }
}
