/** Lets a limited number of pieces of work run at a time; the others wait for their turn, in order. */
export class Turns {
  readonly #most: number
  readonly #waiting: Array<() => void> = []
  #running = 0

  constructor (most: number) {
    this.#most = most
  }

  async run<T> (work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#most) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // Its place goes over to the next.
      if (next) next()
      else this.#running--
    }
  }
}
