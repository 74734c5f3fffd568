import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { UnderWay } from './under-way.ts'

/** How long giving sessions up may take, in milliseconds; twice that fits between the cut and the end that Fastify sets. */
const GIVE_UP = 900

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
 * sessions, and lets calls in flight finish, its own and those it passes on.
 * With `handOver` each session is given up as soon as it is idle, for other
 * nodes to adopt; else they stay, without streams, until the node closes.
 */
export class Drain {
  readonly #sessions: Sessions
  readonly #handOver: boolean
  readonly #underWay: { calls: UnderWay, streams: UnderWay }
  readonly #log: FastifyBaseLogger
  readonly #cut = new AbortController()
  #drained: Promise<void> | undefined

  constructor ({ sessions, handOver, underWay, log }: { sessions: Sessions, handOver: boolean, underWay: { calls: UnderWay, streams: UnderWay }, log: FastifyBaseLogger }) {
    this.#sessions = sessions
    this.#handOver = handOver
    this.#underWay = underWay
    this.#log = log
  }

  /** Called again, it returns the same promise; what the later caller wants shorter is made shorter. */
  run ({ grace, timeout, signal }: DrainOptions): Promise<void> {
    if (signal?.aborted === true) this.#cut.abort()
    signal?.addEventListener('abort', () => this.#cut.abort(), { once: true })
    this.#drained ??= this.#run(grace, timeout)
    return this.#drained
  }

  /** Resolves when everything is answered that this node has passed on to others, or it is cut short: then to false. */
  async passedOn (): Promise<boolean> {
    const { signal } = this.#cut
    if (signal.aborted) return false
    const given = Promise.all([this.#underWay.calls.given(), this.#underWay.streams.given()])
    return Promise.race([given.then(() => true), once(signal, 'abort').then(() => false)])
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
    if (this.#handOver) await this.#handOverAll(over)
    else {
      await Promise.race([over, Promise.all([...sessions.values()].map(session => session.transport.idle()))])
      for (const session of sessions.values()) session.transport.endStreams()
    }
    await Promise.race([over, this.#underWay.calls.given()])
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
