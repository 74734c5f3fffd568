import type { NewRecord } from '../../directory/record.ts'
import type { Update } from './own-records.ts'

interface Session { record: NewRecord | undefined, changed: boolean, unheard: boolean }

/** Sessions that are to be given up, until their records say so: their node may have closed them before that. */
export class Leaving {
  readonly #sessions = new Map<string, Session>()

  get size (): number {
    return this.#sessions.size
  }

  ids (): string[] {
    return [...this.#sessions.keys()]
  }

  has (id: string): boolean {
    return this.#sessions.has(id)
  }

  record (id: string): NewRecord | undefined {
    return this.#sessions.get(id)?.record
  }

  /** `record`: if there is one, in case it must be written again. */
  add (id: string, record: NewRecord | undefined): void {
    const { changed = false, unheard = false } = this.#sessions.get(id) ?? {}
    this.#sessions.set(id, { record, changed, unheard })
  }

  forget (id: string): void {
    this.#sessions.delete(id)
  }

  /** What its record is to say; `changed`: more than it did. None when it is not leaving any more. */
  update (id: string, record: NewRecord | undefined, changed: boolean): Update[] {
    const session = this.#sessions.get(id)
    if (session === undefined) return []
    if (record !== undefined) session.record = record
    session.changed ||= changed
    return [{ id, changes: session.changed ? session.record : undefined }]
  }

  /** Redis was told to release these, and did not answer. */
  unanswered (ids: string[]): void {
    for (const id of ids) {
      const session = this.#sessions.get(id)
      if (session !== undefined) session.unheard = true
    }
  }

  /**
   * Those whose missing record was lost. One that may have been released unheard may have been
   * adopted and closed since: it is forgotten, and not to be written again.
   */
  lost (absent: string[]): string[] {
    return absent.filter(id => {
      if (this.#sessions.get(id)?.unheard === true) this.forget(id)
      return this.has(id)
    })
  }
}
