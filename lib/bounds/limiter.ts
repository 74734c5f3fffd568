interface Waiting { begin: () => void, next: Waiting | undefined }

/**
 * Runs so many tasks at once, and the others in the order they came: when a
 * node dies, all its clients come at once, and each thing that they wait for
 * has a time limit of its own. However many wait, the next is found at once.
 */
export class Limiter {
  #free: number
  #first: Waiting | undefined
  #last: Waiting | undefined

  constructor (atOnce: number) {
    this.#free = atOnce
  }

  async run<T> (task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#queue(resolve))
    try {
      return await task()
    } finally {
      this.#next()
    }
  }

  #queue (begin: () => void): void {
    const waiting: Waiting = { begin, next: undefined }
    if (this.#last === undefined) this.#first = waiting
    else this.#last.next = waiting
    this.#last = waiting
  }

  /** A place is free: it goes over to the first that waits. */
  #next (): void {
    const first = this.#first
    if (first === undefined) {
      this.#free++
      return
    }
    this.#first = first.next
    if (first.next === undefined) this.#last = undefined
    first.begin()
  }
}
