import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'

/** How long giving sessions up may take, in milliseconds. */
const GIVE_UP = 2000

export interface DrainOptions {
  /** Milliseconds until the proxy has seen that the node left the pool. */
  grace: number
  /** Milliseconds that calls in flight get to finish. */
  timeout: number
  /** Cuts both short. */
  signal?: AbortSignal | undefined
}

/**
 * Takes a node out of service: it leaves the pool, after the grace takes no new
 * sessions, and lets calls in flight finish. With `handOver` each session is
 * given up as soon as it is idle, for other nodes to adopt; else they stay,
 * without streams, until the node closes.
 */
export class Drain {
  readonly #sessions: Sessions
  readonly #handOver: boolean
  readonly #log: FastifyBaseLogger
  readonly #cut = new AbortController()
  #drained: Promise<void> | undefined

  constructor ({ sessions, handOver, log }: { sessions: Sessions, handOver: boolean, log: FastifyBaseLogger }) {
    this.#sessions = sessions
    this.#handOver = handOver
    this.#log = log
  }

  /** Called again, it returns the same promise; what the later caller wants shorter is made shorter. */
  run ({ grace, timeout, signal }: DrainOptions): Promise<void> {
    if (signal?.aborted === true) this.#cut.abort()
    signal?.addEventListener('abort', () => this.#cut.abort(), { once: true })
    this.#drained ??= this.#run(grace, timeout)
    return this.#drained
  }

  /** No more grace, and no more time for calls. */
  cutShort (): void {
    this.#cut.abort()
  }

  async #run (grace: number, timeout: number): Promise<void> {
    const sessions = this.#sessions
    sessions.leave('draining')
    this.#log.info({ sessions: sessions.size }, 'mcp node is draining')
    await this.#wait(grace)
    sessions.leave('closing')
    const over = this.#wait(timeout)
    if (this.#handOver) return this.#handOverAll(over)
    await Promise.race([over, Promise.all([...sessions.values()].map(session => session.transport.idle()))])
    for (const session of sessions.values()) session.transport.endStreams()
  }

  async #handOverAll (over: Promise<void>): Promise<void> {
    const sessions = this.#sessions
    const late = over.then(() => 'over' as const)
    for (;;) {
      const busy: LocalSession[] = []
      const idle: LocalSession[] = []
      for (const session of sessions.values()) (session.busy ? busy : idle).push(session)
      await sessions.handOver(idle, GIVE_UP)
      if (busy.length === 0 && idle.length === 0) return
      if (busy.length > 0 && await Promise.race([late, ...busy.map(session => session.transport.idle())]) === 'over') break
    }
    const left = [...sessions.values()]
    this.#log.warn({ sessions: left.length }, 'calls were still in flight when the time to drain was over; they end with an error')
    await sessions.handOver(left, GIVE_UP)
  }

  async #wait (milliseconds: number): Promise<void> {
    const { signal } = this.#cut
    if (milliseconds === 0 || signal.aborted) return
    await setTimeout(milliseconds, undefined, { signal, ref: false }).catch(error => { if (!signal.aborted) throw error })
  }
}
