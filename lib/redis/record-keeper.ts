import type { DirectoryOwner, NewRecord } from '../sessions/directory.ts'
import { within } from '../sessions/within.ts'
import type { CloseSet } from './close-set.ts'
import type { Link } from './link.ts'
import type { OwnRecords } from './own-records.ts'
import { TouchThrottle } from './touch-throttle.ts'

/** Initialize waits for its record this long, in milliseconds. */
const ADD_BOUND = 250
/** What `clear` waits for writes that are on their way. */
const SETTLE_BOUND = 1000
const BATCH = 500
/** More releases than this are left to expire. */
const RELEASES = 100_000

export interface KeeperParts {
  link: Pick<Link, 'ready'>
  records: Pick<OwnRecords, 'write' | 'renew' | 'drop'>
  closeSet: Pick<CloseSet, 'tryRead'>
  owner: DirectoryOwner
}

/**
 * Keeps the records of this node's sessions: remembers what is to be written,
 * renewed and deleted until Redis has acknowledged it.
 */
export class RecordKeeper {
  readonly #link: KeeperParts['link']
  readonly #records: KeeperParts['records']
  readonly #closeSet: KeeperParts['closeSet']
  readonly #owner: DirectoryOwner
  readonly #touches = new TouchThrottle()
  /** Sessions whose record is to be renewed, or written if it is missing. */
  readonly #due = new Set<string>()
  /** Sessions whose record is to be deleted. */
  readonly #releases = new Set<string>()
  /** Writes that the client has not settled yet, by session: no deletion may overtake them. */
  readonly #writing = new Map<string, Promise<unknown>>()
  #soon: NodeJS.Immediate | undefined
  #dropping = false
  #cleared = false

  constructor ({ link, records, closeSet, owner }: KeeperParts) {
    this.#link = link
    this.#records = records
    this.#closeSet = closeSet
    this.#owner = owner
  }

  /** Writes a new record; false when Redis did not acknowledge it in time and it stays due. */
  async add (record: NewRecord): Promise<boolean> {
    this.#touches.written(record.id)
    const written = await this.#write(record, ADD_BOUND)
    if (!written && this.#owner.has(record.id)) this.#due.add(record.id)
    return written
  }

  touch (id: string): void {
    if (this.#touches.due(id)) this.#due.add(id)
  }

  /** Every record may be gone: look after all of them. */
  verifyAll (): void {
    for (const id of this.#owner.ids()) this.#due.add(id)
  }

  release (id: string): void {
    this.#forget(id)
    if (this.#releases.size >= RELEASES) this.#releases.delete(this.#releases.values().next().value!)
    this.#releases.add(id)
    this.#dropSoon()
  }

  /** Whether the record of an id is about to be deleted. */
  releasing (id: string): boolean {
    return this.#releases.has(id)
  }

  /** Does what is due, in batches. What fails stays due. */
  async flush (): Promise<void> {
    const due = [...this.#due]
    for (let at = 0; at < due.length && this.#link.ready && !this.#cleared; at += BATCH) {
      const batch = due.slice(at, at + BATCH).filter(id => this.#due.delete(id) && this.#owner.has(id))
      const failed = await this.#renew(batch)
      for (const id of failed) if (this.#owner.has(id)) this.#due.add(id)
      if (failed.length > 0 && failed.length === batch.length) break
    }
    await this.#dropReleased()
  }

  /** Deletes the records of these sessions and of those released, until `deadline` (performance.now()), and writes none any more. Returns how many are left. */
  async clear (ids: string[], deadline: number): Promise<number> {
    this.#cleared = true
    clearImmediate(this.#soon)
    const all = [...new Set([...ids, ...this.#releases])]
    await within(Math.min(deadline - performance.now(), SETTLE_BOUND), Promise.all(this.#writing.values()))
    let left = all.length
    for (let at = 0; at < all.length; at += BATCH) {
      const bound = deadline - performance.now()
      const dropped = bound > 0 ? await this.#records.drop(all.slice(at, at + BATCH), bound) : []
      if (dropped.length === 0) break
      left -= dropped.length
    }
    return left
  }

  /** Returns the ids that it could not renew. */
  async #renew (ids: string[]): Promise<string[]> {
    const { taken, absent, failed } = await this.#records.renew(ids)
    for (const id of taken) this.#end(id, 'taken')
    return absent.length === 0 ? failed : [...failed, ...await this.#writeAgain(absent)]
  }

  /** Absence of a record is a requested close when the id is in our close set, else a loss. */
  async #writeAgain (ids: string[]): Promise<string[]> {
    const closed = await this.#closeSet.tryRead()
    if (closed === undefined) return ids
    const failed: string[] = []
    await Promise.all(ids.map(async id => {
      if (closed.includes(id)) return this.#end(id, 'closed')
      const record = this.#owner.record(id)
      if (record !== undefined && !this.#cleared && !await this.#write(record)) failed.push(id)
    }))
    return failed
  }

  async #write (record: NewRecord, bound?: number): Promise<boolean> {
    const { id } = record
    const { outcome, settled } = this.#records.write(record, bound)
    this.#writing.set(id, settled)
    settled.then(() => {
      if (this.#writing.get(id) === settled) this.#writing.delete(id)
      if (this.#releases.has(id)) this.#dropSoon()
    })
    if (await outcome === 'taken') this.#end(id, 'taken')
    return await outcome !== 'failed'
  }

  #end (id: string, why: 'closed' | 'taken'): void {
    this.#forget(id)
    this.#owner.end(id, why)
  }

  #forget (id: string): void {
    this.#due.delete(id)
    this.#touches.forget(id)
  }

  #dropSoon (): void {
    if (this.#cleared) return
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined
      this.#dropReleased()
    })
  }

  async #dropReleased (): Promise<void> {
    if (this.#dropping) return
    this.#dropping = true
    while (this.#link.ready && !this.#cleared) {
      const batch = [...this.#releases].filter(id => !this.#writing.has(id)).slice(0, BATCH)
      const dropped = batch.length === 0 ? [] : await this.#records.drop(batch)
      if (dropped.length === 0) break
      for (const id of dropped) this.#releases.delete(id)
    }
    this.#dropping = false
  }
}
