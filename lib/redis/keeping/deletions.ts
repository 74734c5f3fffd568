import { LRUCache } from 'lru-cache'
import type { Remover } from '../../directory/remover.ts'
import { within } from '../../bounds/within.ts'
import type { Link } from '../link/link.ts'
import type { OwnRecords } from './own-records.ts'

/** What `settled` waits for writes that are on their way, in milliseconds. */
const SETTLE_BOUND = 1000
const BATCH = 500
/** More discards than this are left to expire, the oldest first. */
const DISCARDS = 100_000
/** Not `max`: that makes the room for all of them beforehand, 2.7 MB. */
const ROOM = { maxSize: DISCARDS, sizeCalculation: () => 1 }

interface DeletionsParts {
  link: Pick<Link, 'ready'>
  records: Pick<OwnRecords, 'drop' | 'unlist'>
  /** Somebody asked for the end of a session that others have by now, or may have as well. False: they can't be told yet. */
  onOthers: (id: string, by: Remover) => boolean
  /** Redis refused a command, or did not answer it. */
  onFailed: (err: unknown) => void
}

/**
 * What of this node's sessions is to go from Redis: remembered until it has.
 * No deletion overtakes a write of the same session, its index entry included:
 * that would bring back what nobody deletes again.
 */
export class Deletions {
  readonly #parts: DeletionsParts
  /** Sessions whose record is to be deleted, and who asked for it, if somebody did. */
  readonly #discards = new LRUCache<string, { by: Remover | undefined }>(ROOM)
  /** Sessions that are others' by now: all that is left of them is in our index. */
  readonly #strays = new Set<string>()
  /** Writes that are on their way in the Redis client, by session. */
  readonly #writing = new Map<string, Promise<unknown>>()
  #soon: NodeJS.Immediate | undefined
  #flushing = false
  #closed = false

  constructor (parts: DeletionsParts) {
    this.#parts = parts
  }

  /** These are being written; `settled` resolves when the Redis client has an answer or tries no longer, however late, and never rejects. */
  hold (ids: string[], settled: Promise<unknown>): void {
    for (const id of ids) {
      const before = this.#writing.get(id)
      const all = before === undefined ? settled : Promise.all([before, settled])
      this.#writing.set(id, all)
      all.then(() => {
        if (this.#writing.get(id) !== all) return
        this.#writing.delete(id)
        if (this.#discards.has(id) || this.#strays.has(id)) this.#flushSoon()
      }).catch(this.#parts.onFailed)
    }
  }

  /** Resolves when the writes of these sessions, or all, are settled, or after `bound` milliseconds, or a second. */
  async settled (bound: number, ids: Iterable<string> = this.#writing.keys()): Promise<void> {
    await within(Math.min(bound, SETTLE_BOUND), Promise.all([...ids].flatMap(id => this.#writing.get(id) ?? [])))
  }

  /** The record of a session is to be deleted. `by`: somebody asked for that. */
  discard (id: string, by?: Remover): void {
    this.#discards.set(id, { by: by ?? this.askedBy(id) })
    this.#flushSoon()
  }

  /** A session is another's by now. */
  unlist (id: string): void {
    this.#strays.add(id)
    this.#flushSoon()
  }

  /** A record is about to be claimed: it is not the one that was to be deleted. False: it is, somebody asked for that. */
  claiming (id: string): boolean {
    if (this.askedBy(id) !== undefined) return false
    this.#discards.delete(id)
    this.#strays.delete(id)
    return true
  }

  /** Whether the record of an id is about to be deleted. */
  has (id: string): boolean {
    return this.#discards.has(id)
  }

  /** Who has asked for the end of a session whose record is about to be deleted. */
  askedBy (id: string): Remover | undefined {
    return this.#discards.peek(id)?.by
  }

  /** Deletes what nothing holds. What fails stays. */
  async flush (): Promise<void> {
    if (this.#flushing) return
    this.#flushing = true
    try {
      await this.#inBatches(() => this.#discards.rkeys(), async ids => await this.#drop(ids) > 0)
      await this.#inBatches(() => this.#strays, ids => this.#unlist(ids))
    } finally {
      this.#flushing = false
    }
  }

  /** Deletes these and what is left, until `deadline` (performance.now()), and nothing more by itself. Returns how many records are left. */
  async clear (ids: string[], deadline: number): Promise<number> {
    this.#closed = true
    clearImmediate(this.#soon)
    const all = [...new Set([...ids, ...this.#discards.rkeys()])]
    await this.settled(deadline - performance.now())
    let left = all.length
    for (let at = 0; at < all.length; at += BATCH) {
      const bound = deadline - performance.now()
      const dropped = bound > 0 ? await this.#drop(all.slice(at, at + BATCH), bound) : 0
      if (dropped === 0) break
      left -= dropped
    }
    return left
  }

  #flushSoon (): void {
    if (this.#closed) return
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined
      this.flush().catch(this.#parts.onFailed)
    })
  }

  async #inBatches (waiting: () => Iterable<string>, work: (ids: string[]) => Promise<boolean>): Promise<void> {
    while (this.#parts.link.ready && !this.#closed) {
      const batch = this.#batch(waiting())
      if (batch.length === 0 || !await work(batch)) break
    }
  }

  /** The first that are not being written. */
  #batch (waiting: Iterable<string>): string[] {
    const batch: string[] = []
    for (const id of waiting) {
      if (!this.#writing.has(id)) batch.push(id)
      if (batch.length === BATCH) break
    }
    return batch
  }

  async #unlist (ids: string[]): Promise<boolean> {
    // One that is claimed meanwhile is listed after this, and is no stray any more.
    const done = await this.#parts.records.unlist(ids)
    if (done) for (const id of ids) this.#strays.delete(id)
    return done
  }

  /** Returns how many are dealt with. */
  async #drop (ids: string[], bound?: number): Promise<number> {
    const { records, onOthers } = this.#parts
    const { done, others } = await records.drop(ids.map(id => ({ id, asked: this.askedBy(id) !== undefined })), bound)
    const untold = new Set(others.filter(id => {
      const by = this.askedBy(id)
      return by !== undefined && !onOthers(id, by)
    }))
    for (const id of done) if (!untold.has(id)) this.#discards.delete(id)
    return done.length - untold.size
  }
}
