import type { LocalNode } from '../../directory/directory.ts'
import type { NewRecord } from '../../directory/record.ts'
import type { CloseSet } from '../nodes/close-set.ts'
import type { Changes } from '../../shared-directory/changes.ts'
import type { Deletions } from './deletions.ts'
import type { OwnRecords, Update } from './own-records.ts'
import type { TouchThrottle } from '../../shared-directory/touch-throttle.ts'

interface WritesParts {
  records: Pick<OwnRecords, 'write' | 'renew'>
  closeSet: Pick<CloseSet, 'tryRead'>
  local: Pick<LocalNode, 'has' | 'record' | 'kept'>
  touches: Pick<TouchThrottle, 'written'>
  changes: Pick<Changes, 'take' | 'giveBack'>
  deletions: Pick<Deletions, 'hold'>
  /** What the record of a session says that is here, or is leaving. */
  recordOf: (id: string) => NewRecord | undefined
  /** A session is to end: somebody has asked for that, or others have it. */
  onEnd: (id: string, why: 'closed' | 'taken') => void
}

/** What became of writes: the ids that are ours, and those of which nobody knows. */
export interface Written { kept: string[], failed: string[] }

/** Writes and renews the records of this node's sessions, and tells them what that met. */
export class Writes {
  readonly #parts: WritesParts
  #closed = false

  constructor (parts: WritesParts) {
    this.#parts = parts
  }

  /** Writes none again any more. */
  close (): void {
    this.#closed = true
  }

  /** Writes a record; false when Redis did not acknowledge it. */
  async write (record: NewRecord, bound?: number): Promise<boolean> {
    const { records, local, deletions, onEnd } = this.#parts
    const { id } = record
    const { outcome, epoch, settled } = records.write(record, bound)
    deletions.hold([id], settled)
    if (await outcome === 'taken') onEnd(id, 'taken')
    if (await outcome === 'written') local.kept(id, epoch)
    return await outcome !== 'failed'
  }

  /** Renews records, with what has changed of their sessions, and writes those again that are absent. */
  async renew (ids: string[]): Promise<Written> {
    const { records, local, touches, changes, deletions, onEnd } = this.#parts
    const updates = ids.map(id => this.#update(id))
    const { outcome, settled } = records.renew(updates)
    deletions.hold(ids, settled)
    const { epoch, kept, taken, absent, failed } = await outcome
    for (const id of kept) {
      // It may have ended meanwhile, and its last trace here with it.
      if (local.has(id)) touches.written(id)
      local.kept(id, epoch)
    }
    for (const id of taken) onEnd(id, 'taken')
    const again = absent.length === 0 ? { kept: [], failed: [] } : await this.writeAgain(absent)
    const lost = new Set([...failed, ...again.failed])
    for (const update of updates) if (update.changes !== undefined && lost.has(update.id)) changes.giveBack(update.id)
    return { kept: [...kept, ...again.kept], failed: [...lost] }
  }

  /** Absence of a record is a requested close when the id is in our close set, else a loss. */
  async writeAgain (ids: string[]): Promise<Written> {
    const { closeSet, recordOf, onEnd } = this.#parts
    const read = await closeSet.tryRead()
    if (read === undefined) return { kept: [], failed: ids }
    const closed = new Set(read)
    const kept: string[] = []
    const failed: string[] = []
    await Promise.all(ids.map(async id => {
      if (closed.has(id)) return onEnd(id, 'closed')
      const record = recordOf(id)
      if (record === undefined || this.#closed) return
      const written = await this.write(record)
      if (!written) failed.push(id)
      else if (recordOf(id) !== undefined) kept.push(id)
    }))
    return { kept, failed }
  }

  #update (id: string): Update {
    const { local, changes } = this.#parts
    return { id, changes: changes.take(id) ? local.record(id) : undefined }
  }
}
