/**
 * Runs so many tasks at once, and the others in the order they came: when a
 * node dies, all its clients come at once, and each thing that they wait for
 * has a time limit of its own.
 */
export class Limiter {
  #free: number
  readonly #waiting: Array<() => void> = []

  constructor (atOnce: number) {
    this.#free = atOnce
  }

  async run<T> (task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
