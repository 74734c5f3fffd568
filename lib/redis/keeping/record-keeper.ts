import type { LocalNode } from '../../directory/directory.ts'
import type { NewRecord } from '../../directory/record.ts'
import type { Remover } from '../../directory/remover.ts'
import { Changes } from '../../shared-directory/changes.ts'
import type { CloseSet } from '../nodes/close-set.ts'
import { Deletions } from './deletions.ts'
import { Gather } from '../../bounds/gather.ts'
import { HandOver } from './hand-over.ts'
import type { Link } from '../link/link.ts'
import type { OwnRecords } from './own-records.ts'
import { TouchThrottle } from '../../shared-directory/touch-throttle.ts'
import { Writes, type Written } from './writes.ts'

/** Initialize waits for its record this long, in milliseconds. */
const ADD_BOUND = 250
const BATCH = 500

/** Whether a local session is still ours; `unanswered`: unknown. */
export type Reclaimed = 'kept' | 'lost' | 'unanswered'

interface KeeperParts {
  link: Pick<Link, 'ready'>
  records: Pick<OwnRecords, 'write' | 'renew' | 'drop' | 'giveUp' | 'index' | 'unlist'>
  closeSet: Pick<CloseSet, 'tryRead'>
  local: LocalNode
  /** Somebody asked for the end of a session that others have by now, or may have as well. False: they can't be told yet. */
  onOthers: (id: string, by: Remover) => boolean
  /** Redis refused a command, or did not answer it. */
  onFailed: (err: unknown) => void
}

/**
 * Keeps the records of this node's sessions: remembers what is to be written,
 * renewed and deleted until Redis has acknowledged it.
 */
export class RecordKeeper {
  readonly #link: KeeperParts['link']
  readonly #records: KeeperParts['records']
  readonly #local: LocalNode
  readonly #deletions: Deletions
  readonly #touches = new TouchThrottle()
  readonly #changes: Changes
  readonly #reclaims = new Gather<Reclaimed>(ids => this.#reclaim(ids))
  /** Sessions whose record is to be renewed, or written if it is absent. */
  readonly #due = new Set<string>()
  readonly #handOver: HandOver
  readonly #writes: Writes
  #cleared = false

  constructor ({ link, records, closeSet, local, onOthers, onFailed }: KeeperParts) {
    this.#link = link
    this.#records = records
    this.#local = local
    this.#changes = new Changes(() => { this.#writeChanges().catch(onFailed) })
    this.#deletions = new Deletions({ link, records, onOthers, onFailed })
    const parts = { link, records, closeSet, local, touches: this.#touches, changes: this.#changes, deletions: this.#deletions }
    this.#writes = new Writes({ ...parts, recordOf: id => this.#record(id), onEnd: (id, why) => this.#end(id, why) })
    this.#handOver = new HandOver({ ...parts, writes: this.#writes, onGivenUp: id => this.#forget(id) })
  }

  /** Writes a new record; false when Redis did not acknowledge it in time and it stays due. */
  async add (record: NewRecord): Promise<boolean> {
    this.#touches.written(record.id)
    const written = await this.#writes.write(record, ADD_BOUND)
    if (!written && this.#local.has(record.id)) this.#due.add(record.id)
    return written
  }

  touch (id: string): void {
    if (this.#touches.due(id)) this.#due.add(id)
  }

  changed (id: string): void {
    if (!this.#cleared) this.#changes.add(id)
  }

  /** Whether a local session is still ours. Those that ask in one turn are asked for together. */
  reclaim (id: string): Promise<Reclaimed> {
    return this.#reclaims.ask(id)
  }

  /** A record is about to be claimed: it is not the one that was to be deleted. False: it is, somebody asked for that. */
  claiming (id: string): boolean {
    if (!this.#deletions.claiming(id)) return false
    this.#handOver.forget(id)
    return true
  }

  /** A record was claimed with this epoch: all it needs now is its place in our index. */
  async claimed (id: string, epoch: string): Promise<void> {
    this.#touches.written(id)
    this.#local.kept(id, epoch)
    const indexing = this.#records.index(id)
    this.#deletions.hold([id], indexing.then(({ settled }) => settled))
    // Its session will renew its place in the index with its record.
    if (!(await indexing).indexed) this.#touches.forget(id)
  }

  /** A claimed record is given back: what is on its way to our index comes first. */
  async unclaiming (id: string): Promise<void> {
    this.#forget(id)
    await this.#deletions.settled(Infinity, [id])
  }

  /** Every record may be gone, of an older epoch, or without what was written last: look after all of them. */
  verifyAll (): void {
    for (const id of this.#local.ids()) {
      this.#due.add(id)
      // A replica that was promoted may have the record, and not the change that its master acknowledged.
      this.#changes.giveBack(id)
    }
  }

  discard (id: string, by?: Remover): void {
    this.#forget(id)
    this.#handOver.forget(id)
    this.#deletions.discard(id, by)
  }

  /** Whether the record of an id is about to be deleted. */
  discarding (id: string): boolean {
    return this.#deletions.has(id)
  }

  /** Who has asked for the end of a session whose record is about to be deleted. */
  removersOf (id: string): Remover[] {
    const by = this.#deletions.askedBy(id)
    return by === undefined ? [] : [by]
  }

  /** Does what is due, in batches. What fails stays due. */
  async flush (): Promise<void> {
    const due = [...new Set([...this.#changes.due(), ...this.#due])]
    for (let at = 0; at < due.length && this.#link.ready && !this.#cleared; at += BATCH) {
      const batch = due.slice(at, at + BATCH).filter(id => (this.#due.delete(id) || this.#changes.has(id)) && this.#here(id))
      const { failed } = await this.#renew(batch)
      if (failed.length > 0 && failed.length === batch.length) break
    }
    if (this.#link.ready && !this.#cleared) await this.#handOver.again()
    await this.#deletions.flush()
  }

  /**
   * Gives sessions up for others to adopt, as they are now, until `deadline`
   * (performance.now()), and those that could not be before. A record that is
   * missing is written first. Returns how many could not be: they are at the next turn.
   */
  giveUp (ids: string[], deadline: number): Promise<number> {
    return this.#handOver.giveUp(ids, deadline)
  }

  /** Deletes the records of these sessions and of those discarded, until `deadline` (performance.now()), and writes none any more. Returns how many are left. */
  async clear (ids: string[], deadline: number): Promise<number> {
    this.#cleared = true
    this.#writes.close()
    this.#changes.stop()
    return await this.#deletions.clear(ids, deadline)
  }

  async #writeChanges (): Promise<void> {
    if (!this.#link.ready || this.#cleared) return
    const ids = this.#changes.due().filter(id => this.#here(id))
    for (let at = 0; at < ids.length; at += BATCH) await this.#renew(ids.slice(at, at + BATCH))
  }

  #here (id: string): boolean {
    if (this.#local.has(id)) return true
    if (!this.#handOver.has(id)) this.#forget(id)
    return false
  }

  /** What the record of a session says that is here, or is leaving. */
  #record (id: string): NewRecord | undefined {
    return this.#local.has(id) ? this.#local.record(id) : this.#handOver.record(id)
  }

  /** What could not be renewed, or written again, stays due. */
  async #renew (ids: string[]): Promise<Written> {
    const written = await this.#writes.renew(ids)
    for (const id of written.failed) if (this.#local.has(id)) this.#due.add(id)
    return written
  }

  async #reclaim (ids: string[]): Promise<(id: string) => Reclaimed> {
    const { kept, failed } = await this.#renew(ids.filter(id => this.#here(id)))
    const [ours, unknown] = [new Set(kept), new Set(failed)]
    return id => ours.has(id) ? 'kept' : unknown.has(id) ? 'unanswered' : 'lost'
  }

  #end (id: string, why: 'closed' | 'taken'): void {
    this.#forget(id)
    this.#handOver.forget(id)
    if (why === 'taken') this.#deletions.unlist(id)
    this.#local.end(id, why)
  }

  #forget (id: string): void {
    this.#due.delete(id)
    this.#touches.forget(id)
    this.#changes.forget(id)
  }
}
