import type { SessionDirectory } from '../sessions/directory.ts'
import type { Forwarder } from './forwarder.ts'

/**
 * Looks once a beat after the owners whose answers are awaited: a process that
 * is frozen, or a host that vanished, closes no connections. What is under way
 * to an owner that has no heartbeat any more, and does not answer when it is
 * asked, is broken off.
 */
export class OwnerWatch {
  readonly #directory: Pick<SessionDirectory, 'nodes'>
  readonly #forwarder: Forwarder
  readonly #beat: number
  /** Urls of owners, and how many requests each is answering. */
  readonly #awaited = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  /** `beat` in milliseconds. */
  constructor ({ directory, forwarder, beat }: { directory: Pick<SessionDirectory, 'nodes'>, forwarder: Forwarder, beat: number }) {
    this.#directory = directory
    this.#forwarder = forwarder
    this.#beat = beat
  }

  /** Watches the owner at `url` until the promise, its answer to a request, is settled. */
  async during<T> (url: string, answer: Promise<T>): Promise<T> {
    this.#awaited.set(url, (this.#awaited.get(url) ?? 0) + 1)
    this.#timer ??= this.#next()
    try {
      return await answer
    } finally {
      const left = this.#awaited.get(url)! - 1
      if (left === 0) this.#awaited.delete(url)
      else this.#awaited.set(url, left)
    }
  }

  #next (): NodeJS.Timeout {
    return setTimeout(() => {
      // A directory that cannot say who lives is no evidence that somebody does not.
      this.#look().catch(() => {}).finally(() => {
        this.#timer = this.#awaited.size === 0 ? undefined : this.#next()
      })
    }, this.#beat).unref()
  }

  async #look (): Promise<void> {
    if (this.#awaited.size === 0) return
    const alive = new Set((await this.#directory.nodes()).map(({ url }) => url))
    await Promise.all([...this.#awaited.keys()].map(async url => {
      if (alive.has(url) || await this.#forwarder.answers(url)) return
      this.#forwarder.abandon(url)
    }))
  }
}
