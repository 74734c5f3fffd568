import type { LocalNode } from '../../directory/directory.ts'
import type { NewRecord } from '../../directory/record.ts'
import type { Link } from '../link/link.ts'
import type { Changes } from '../../shared-directory/changes.ts'
import type { Deletions } from './deletions.ts'
import type { OwnRecords, Released, Update } from './own-records.ts'
import type { Writes } from './writes.ts'

/** What giving up again waits for Redis each time, in milliseconds. */
const AGAIN_BOUND = 1000
const BATCH = 500

/** A session that leaves; `unheard`: Redis was told to release it, and did not answer. */
interface Leaving { record: NewRecord | undefined, changed: boolean, unheard: boolean }

interface HandOverParts {
  link: Pick<Link, 'ready'>
  records: Pick<OwnRecords, 'giveUp'>
  local: Pick<LocalNode, 'record'>
  changes: Pick<Changes, 'take'>
  deletions: Pick<Deletions, 'settled'>
  writes: Pick<Writes, 'writeAgain'>
  /** A record says that its session is given up, or another's. */
  onGivenUp: (id: string) => void
}

/** Gives sessions up, and remembers them until their records say so: their node may have closed them before that. */
export class HandOver {
  readonly #parts: HandOverParts
  readonly #leaving = new Map<string, Leaving>()
  /** How many calls are giving up. */
  #givingUp = 0

  constructor (parts: HandOverParts) {
    this.#parts = parts
  }

  has (id: string): boolean {
    return this.#leaving.has(id)
  }

  record (id: string): NewRecord | undefined {
    return this.#leaving.get(id)?.record
  }

  /** It is not to be given up any more. */
  forget (id: string): void {
    this.#leaving.delete(id)
  }

  /**
   * Gives sessions up for others to adopt, as they are now, until `deadline`
   * (performance.now()), and those that could not be before. A record that is
   * missing is written first. Returns how many could not be.
   */
  async giveUp (ids: string[], deadline: number): Promise<number> {
    const { local, deletions, writes } = this.#parts
    for (const id of ids) this.#add(id, local.record(id))
    const left = () => deadline - performance.now()
    const all = [...this.#leaving.keys()]
    this.#givingUp++
    try {
      await deletions.settled(left(), all)
      for (let at = 0; at < all.length && left() > 0; at += BATCH) {
        const batch = all.slice(at, at + BATCH)
        const { absent, failed } = await this.#giveUp(batch, left())
        const lost = this.#lost(absent)
        const { kept } = lost.length === 0 ? { kept: [] } : await writes.writeAgain(lost)
        if (kept.length > 0) await this.#giveUp(kept, Math.max(1, left()))
        if (failed.length === batch.length) break
      }
    } finally {
      this.#givingUp--
    }
    return all.filter(id => this.has(id)).length
  }

  /** Gives up what could not be before, unless somebody is at it. */
  async again (): Promise<void> {
    if (this.#leaving.size > 0 && this.#givingUp === 0) await this.giveUp([], performance.now() + AGAIN_BOUND)
  }

  /** `record`: if there is one, in case it must be written again. */
  #add (id: string, record: NewRecord | undefined): void {
    const { changed = false, unheard = false } = this.#leaving.get(id) ?? {}
    this.#leaving.set(id, { record, changed, unheard })
  }

  /** Gives up those that are leaving still. */
  async #giveUp (ids: string[], bound: number): Promise<Released> {
    const { link: { ready }, records, onGivenUp } = this.#parts
    const outcome = await records.giveUp(ids.flatMap(id => this.#update(id)), bound)
    // Nothing was sent while there was no connection.
    if (ready) for (const id of outcome.failed) this.#unheard(id)
    for (const id of outcome.released) {
      this.forget(id)
      onGivenUp(id)
    }
    return outcome
  }

  /** What a record is to say, and what its session has changed since it last did. None when it is not leaving any more. */
  #update (id: string): Update[] {
    const { local, changes } = this.#parts
    const changed = changes.take(id)
    const leaving = this.#leaving.get(id)
    if (leaving === undefined) return []
    leaving.record = local.record(id) ?? leaving.record
    leaving.changed ||= changed
    return [{ id, changes: leaving.changed ? leaving.record : undefined }]
  }

  #unheard (id: string): void {
    const leaving = this.#leaving.get(id)
    if (leaving !== undefined) leaving.unheard = true
  }

  /**
   * Of those whose record is gone, the ones that Redis has lost, to be written again. A session whose `released` may have
   * been written without our hearing of it may have been adopted and closed since: it is forgotten.
   */
  #lost (absent: string[]): string[] {
    return absent.filter(id => {
      if (this.#leaving.get(id)?.unheard === true) this.forget(id)
      return this.has(id)
    })
  }
}
