interface Waiter { begin: () => void, next: Waiter | undefined }

/**
 * Runs so many tasks at once, and the others in the order they came: when a
 * node dies, all its clients come at once, and each thing that they wait for
 * has a time limit of its own. However many wait, the next is found at once.
 */
export class Limiter {
  #free: number
  #first: Waiter | undefined
  #last: Waiter | undefined

  constructor (atOnce: number) {
    this.#free = atOnce
  }

  /** How many wait. */
  waiting = 0

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
    const waiting: Waiter = { begin, next: undefined }
    this.waiting++
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
    this.waiting--
    if (first.next === undefined) this.#last = undefined
    first.begin()
  }
}
