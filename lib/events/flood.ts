/** Lines of one kind in a window, and the window in milliseconds. */
const LINES = 20
const WINDOW = 1000

/** Keeps a log readable under a flood: of each kind of line so many a second, then how many more there were. */
export class Flood {
  readonly #told: (kind: string, more: number) => void
  readonly #windows = new Map<string, { lines: number, more: number }>()
  #timer: NodeJS.Timeout | undefined

  /** `told`: a window is over in which there were `more` lines of a kind than were let through. */
  constructor (told: (kind: string, more: number) => void) {
    this.#told = told
  }

  /** Whether a line of this kind is to be written. The kinds must be few. */
  admits (kind: string): boolean {
    this.#timer ??= setTimeout(() => this.#turn(), WINDOW).unref()
    const window = this.#windows.get(kind)
    if (window === undefined) {
      this.#windows.set(kind, { lines: 1, more: 0 })
      return true
    }
    if (window.lines < LINES) {
      window.lines++
      return true
    }
    window.more++
    return false
  }

  #turn (): void {
    this.#timer = undefined
    const windows = [...this.#windows]
    this.#windows.clear()
    for (const [kind, { more }] of windows) if (more > 0) this.#told(kind, more)
  }
}
