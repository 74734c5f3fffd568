import type { FastifyBaseLogger } from 'fastify'
import { BEATS } from '../../beats.ts'
import type { Forwarder } from '../forwarding/forwarder.ts'
import type { Way } from '../forwarding/way.ts'

interface FrozenOwnersParts {
  forwarder: Pick<Forwarder, 'ways' | 'answers' | 'shut' | 'open'>
  /** Milliseconds. */
  beat: number
  log: Pick<FastifyBaseLogger, 'warn'>
}

/**
 * Looks once a beat after the owners whose answers are awaited: a network that
 * drops packets, a host that vanished, a process that is frozen close no
 * connections. An owner that has been silent is asked over new ones: a handler
 * may think as long as it likes, while its process answers. If that stays
 * silent as well, what is under way ends, and nothing more is sent there until
 * it answers. Whether the owner has a heartbeat says nothing of the way to it.
 */
export class FrozenOwners {
  readonly #parts: FrozenOwnersParts
  readonly #asking = new Map<string, Promise<void>>()
  #timer: NodeJS.Timeout | undefined

  constructor (parts: FrozenOwnersParts) {
    this.#parts = parts
  }

  /** Something is about to be sent. */
  wake (): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#look()
      if (this.#parts.forwarder.ways.size > 0) this.wake()
    }, this.#parts.beat).unref()
  }

  #look (): void {
    const { forwarder, beat } = this.#parts
    const now = performance.now()
    for (const [url, way] of forwarder.ways) {
      if (this.#asking.has(url)) continue
      if (way.shut !== undefined) {
        if (way.shut < now - BEATS.shut * beat) forwarder.open(url)
        else this.#ask(url, () => this.#reopen(url))
      } else if (way.silentSince(now - BEATS.silence * beat)) {
        this.#ask(url, () => this.#question(url, way))
      }
    }
  }

  #ask (url: string, question: () => Promise<void>): void {
    this.#asking.set(url, question().finally(() => this.#asking.delete(url)))
  }

  async #question (url: string, way: Way): Promise<void> {
    const { forwarder, beat, log } = this.#parts
    const asked = performance.now()
    if (await forwarder.answers(url)) return way.worked(asked)
    // What is heard while it is being asked, as after a pause of this process, tells more than the questions.
    if (!way.silentSince(asked - BEATS.silence * beat)) return
    log.warn({ url, awaited: way.awaited.size }, 'a node has fallen silent: what it was to answer ends as owner_lost, and nothing is sent to it until it answers')
    forwarder.shut(url, asked)
  }

  async #reopen (url: string): Promise<void> {
    const { forwarder, log } = this.#parts
    const asked = performance.now()
    if (!await forwarder.answers(url)) return forwarder.shut(url, asked)
    forwarder.open(url)
    log.warn({ url }, 'a node that had fallen silent answers again')
  }
}
