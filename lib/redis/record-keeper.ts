import type { DirectoryOwner, NewRecord, NodeIdentity } from '../sessions/directory.ts'
import { before } from './before.ts'
import type { CloseSet } from './close-set.ts'
import type { Keys } from './keys.ts'
import type { Call, Link } from './link.ts'
import { toHash } from './record-hash.ts'
import { addRecord, dropRecord, renewRecord, touchIndex, trimIndex } from './record-scripts.ts'

/** Initialize waits for its record this long. */
const ADD_BOUND = 250
const BATCH = 500
/** Seconds between two renewals of a session: with its share of the index write, one write a minute. */
const TOUCH_INTERVAL = 120
/** The index outlives the node, for listing and for whoever cleans up after it. */
const INDEX_LIFE = 30 * 24 * 3600 * 1000
/** More releases than this are left to expire. */
const RELEASES = 100_000

export interface KeeperParts {
  link: Link
  keys: Keys
  node: NodeIdentity
  /** Life of a record, in milliseconds. */
  ttl: number
  owner: DirectoryOwner
  closeSet: CloseSet
}

/**
 * Keeps the records of this node's sessions: writes, renews and deletes them,
 * and remembers what could not be done until `flush` can do it.
 */
export class RecordKeeper {
  readonly #parts: KeeperParts
  /** Sessions whose record is to be renewed, or written if it is missing. */
  readonly #due = new Set<string>()
  /** Sessions whose record is to be deleted. */
  readonly #releases = new Set<string>()
  /** Writes that the client has not settled yet, by session: nothing may overtake them. */
  readonly #writing = new Map<string, Promise<unknown>>()
  /** When a session was last written, in seconds since `#start`. */
  readonly #written = new Map<string, number>()
  readonly #start = performance.now()
  #releaseSoon: NodeJS.Immediate | undefined

  constructor (parts: KeeperParts) {
    this.#parts = parts
  }

  /** Writes a new record; false when Redis did not acknowledge it in time and it stays due. */
  async add (record: NewRecord): Promise<boolean> {
    this.#written.set(record.id, this.#seconds())
    const written = await this.#write(record, ADD_BOUND)
    if (!written && this.#parts.owner.has(record.id)) this.#due.add(record.id)
    return written
  }

  touch (id: string): void {
    const now = this.#seconds()
    if (now - (this.#written.get(id) ?? -TOUCH_INTERVAL) < TOUCH_INTERVAL) return
    this.#written.set(id, now)
    this.#due.add(id)
  }

  /** Every record may be gone: look after all of them. */
  verifyAll (): void {
    for (const id of this.#parts.owner.ids()) this.#due.add(id)
  }

  release (id: string): void {
    this.#due.delete(id)
    this.#written.delete(id)
    if (this.#releases.size >= RELEASES) this.#releases.delete(this.#releases.values().next().value!)
    this.#releases.add(id)
    this.#releaseSoon ??= setImmediate(() => {
      this.#releaseSoon = undefined
      this.#dropReleased()
    })
  }

  /** Whether the record of an id is about to be deleted. */
  releasing (id: string): boolean {
    return this.#releases.has(id)
  }

  /** Does what is due, in batches. What fails stays due. */
  async flush (): Promise<void> {
    const due = [...this.#due]
    for (let at = 0; at < due.length && this.#parts.link.ready; at += BATCH) {
      const batch = due.slice(at, at + BATCH).filter(id => this.#due.delete(id) && this.#parts.owner.has(id))
      const failed = await this.#renew(batch)
      for (const id of failed) if (this.#parts.owner.has(id)) this.#due.add(id)
      if (failed.length > 0 && failed.length === batch.length) break
    }
    await this.#dropReleased()
  }

  /** Deletes the records of these sessions and of those released, until `deadline` (performance.now()). Returns how many are left. */
  async clear (ids: string[], deadline: number): Promise<number> {
    clearImmediate(this.#releaseSoon)
    const all = [...new Set([...ids, ...this.#releases])]
    await before(deadline, Promise.all(this.#writing.values()))
    let left = all.length
    for (let at = 0; at < all.length; at += BATCH) {
      const bound = deadline - performance.now()
      if (bound <= 0) break
      const dropped = await this.#drop(all.slice(at, at + BATCH), bound)
      left -= dropped
      if (dropped === 0) break
    }
    return left
  }

  async #renew (ids: string[]): Promise<string[]> {
    const { link, keys, node, ttl } = this.#parts
    const outcomes = await link.all(ids.map(id => ({ script: renewRecord, key: keys.session(id), args: [node.id, node.epoch, String(ttl)] })))
    const failed: string[] = []
    const absent: string[] = []
    const kept: string[] = []
    ids.forEach((id, i) => {
      const outcome = outcomes[i]!
      if (outcome.status === 'rejected') failed.push(id)
      else if (Number(outcome.value) === 1) kept.push(id)
      else if (Number(outcome.value) === 0) this.#end(id, 'taken')
      else absent.push(id)
    })
    if (kept.length > 0) link.run(touchIndex, keys.index(node.id), [String(INDEX_LIFE), ...kept]).catch(() => kept.forEach(id => this.#due.add(id)))
    if (absent.length > 0) failed.push(...await this.#writeAgain(absent))
    return failed
  }

  /** Absence of a record is a requested close when the id is in our close set, else a loss. */
  async #writeAgain (ids: string[]): Promise<string[]> {
    const { owner, closeSet } = this.#parts
    let closed: Set<string>
    try {
      closed = new Set(await closeSet.read())
    } catch {
      return ids
    }
    const failed: string[] = []
    await Promise.all(ids.map(async id => {
      const record = owner.record(id)
      if (record === undefined || this.#releases.has(id)) return
      if (closed.has(id)) this.#end(id, 'closed')
      else if (!await this.#write(record)) failed.push(id)
    }))
    return failed
  }

  async #write (record: NewRecord, bound?: number): Promise<boolean> {
    const { link, keys, node, ttl } = this.#parts
    const { id } = record
    const written = link.issue({ script: addRecord, key: keys.session(id), args: [node.id, node.epoch, String(ttl), ...toHash(record)] }, bound)
    const indexed = link.issue({ script: touchIndex, key: keys.index(node.id), args: [String(INDEX_LIFE), id] }, bound)
    const settled = Promise.all([written.settled, indexed.settled])
    this.#writing.set(id, settled)
    settled.then(() => this.#writing.delete(id))
    const [recordWrite, indexWrite] = await Promise.allSettled([written.answer, indexed.answer])
    if (recordWrite.status === 'fulfilled' && Number(recordWrite.value) === 0) this.#end(id, 'taken')
    return recordWrite.status === 'fulfilled' && indexWrite.status === 'fulfilled'
  }

  #end (id: string, why: 'closed' | 'taken'): void {
    this.#due.delete(id)
    this.#written.delete(id)
    this.#parts.owner.end(id, why)
  }

  async #dropReleased (): Promise<void> {
    const ids = [...this.#releases]
    for (let at = 0; at < ids.length && this.#parts.link.ready; at += BATCH) {
      const batch = ids.slice(at, at + BATCH)
      // A write that is still on its way could land after the deletion.
      for (const id of batch) await this.#writing.get(id)
      if (await this.#drop(batch) === 0) break
    }
  }

  /** Returns how many are dealt with. */
  async #drop (ids: string[], bound?: number): Promise<number> {
    const { link, keys, node } = this.#parts
    const calls: Call[] = ids.map(id => ({ script: dropRecord, key: keys.session(id), args: [node.id, node.epoch] }))
    const outcomes = await link.all([...calls, { script: trimIndex, key: keys.index(node.id), args: ids }], bound)
    const done = ids.filter((_, i) => outcomes[i]!.status === 'fulfilled')
    for (const id of done) this.#releases.delete(id)
    return done.length
  }

  #seconds (): number {
    return Math.floor((performance.now() - this.#start) / 1000)
  }
}
