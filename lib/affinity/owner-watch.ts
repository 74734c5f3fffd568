import type { SessionDirectory } from '../sessions/directory.ts'
import type { Forwarder } from './forwarder.ts'

/** Requests that an owner is answering: how many, and the session of the latest. */
interface Awaited { count: number, id: string }

/**
 * Looks once a beat after the owners whose answers are awaited: a process that
 * is frozen, or a host that vanished, closes no connections. What is under way
 * to an owner that has no heartbeat any more, and does not say itself that it
 * holds its session, is broken off.
 */
export class OwnerWatch {
  readonly #directory: Pick<SessionDirectory, 'nodes'>
  readonly #forwarder: Forwarder
  readonly #beat: number
  readonly #awaited = new Map<string, Awaited>()
  #timer: NodeJS.Timeout | undefined

  /** `beat` in milliseconds. */
  constructor ({ directory, forwarder, beat }: { directory: Pick<SessionDirectory, 'nodes'>, forwarder: Forwarder, beat: number }) {
    this.#directory = directory
    this.#forwarder = forwarder
    this.#beat = beat
  }

  /** Watches the owner at `url` until the promise, its answer to a request for this session, is settled. */
  async during<T> (url: string, id: string, answer: Promise<T>): Promise<T> {
    const awaited = this.#awaited.get(url) ?? { count: 0, id }
    awaited.count++
    awaited.id = id
    this.#awaited.set(url, awaited)
    this.#timer ??= this.#next()
    try {
      return await answer
    } finally {
      if (--awaited.count === 0) this.#awaited.delete(url)
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
    await Promise.all([...this.#awaited].map(async ([url, { id }]) => {
      if (alive.has(url) || await this.#forwarder.askOwner(url, id) !== undefined) return
      this.#forwarder.abandon(url)
    }))
  }
}
