/** A session's changes are written this often at most, in milliseconds. */
const INTERVAL = 1000

/** Sessions of which something changed that their records shall say: at once, then at most once a second each. */
export class Changes {
  readonly #write: () => void
  readonly #pending = new Set<string>()
  /** When a session's changes were last taken to be written; forgotten after the interval. */
  readonly #written = new Map<string, number>()
  #soon: NodeJS.Immediate | undefined
  #later: NodeJS.Timeout | undefined

  /** `write`: some are due. */
  constructor (write: () => void) {
    this.#write = write
  }

  add (id: string): void {
    this.#pending.add(id)
    if (!this.#written.has(id)) this.#writeSoon()
    else this.#writeLater()
  }

  /** Ids that may be written now. */
  due (): string[] {
    const before = performance.now() - INTERVAL
    for (const [id, at] of this.#written) {
      if (at > before) break
      this.#written.delete(id)
    }
    const due = [...this.#pending].filter(id => !this.#written.has(id))
    if (due.length < this.#pending.size) this.#writeLater()
    return due
  }

  has (id: string): boolean {
    return this.#pending.has(id)
  }

  /** Its changes are about to be written: whether there are any. */
  take (id: string): boolean {
    if (!this.#pending.delete(id)) return false
    this.#written.delete(id)
    this.#written.set(id, performance.now())
    return true
  }

  /** What was taken could not be written, or may be lost. It waits for the next turn. */
  giveBack (id: string): void {
    this.#pending.add(id)
  }

  forget (id: string): void {
    this.#pending.delete(id)
    this.#written.delete(id)
  }

  stop (): void {
    clearImmediate(this.#soon)
    clearTimeout(this.#later)
  }

  #writeSoon (): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined
      this.#write()
    })
  }

  #writeLater (): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined
      this.#write()
      // A timer may fire a moment early, and would wait for another interval.
    }, INTERVAL + 2).unref()
  }
}
