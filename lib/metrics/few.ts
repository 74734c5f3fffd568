import { OTHER } from '../events/asked-for.ts'

/** Names that become labels: so many at most, since each is a time series for as long as the process lives. */
export class Few {
  readonly #most: number
  readonly #names = new Set<string>()

  constructor (most: number) {
    this.#most = most
  }

  /** The name, if there is room for it or it is here already; else `_OTHER`. */
  admit (name: string): string {
    if (this.#names.size < this.#most) this.#names.add(name)
    return this.known(name)
  }

  /** The name, if it was admitted; else `_OTHER`. */
  known (name: string | undefined): string {
    return name !== undefined && this.#names.has(name) ? name : OTHER
  }
}
