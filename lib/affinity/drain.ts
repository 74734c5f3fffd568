import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { Drained } from '../sessions/mcp-sessions.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { UnderWay } from './under-way.ts'

/** How long giving sessions up may take, in milliseconds. */
const GIVE_UP = 900
/** How often sessions are looked for that are still being made, in milliseconds. */
const LOOK = 50

export interface DrainOptions {
  /** Milliseconds until the proxy has seen that the node left the pool. */
  grace: number
  /** Milliseconds that calls in flight get to finish. */
  timeout: number
  /** Whether connections end as well: the server stops to listen. Default true. */
  disconnect?: boolean
  /** Cuts both short. */
  signal?: AbortSignal | undefined
}

export interface DrainParts {
  sessions: Sessions
  /** Sessions are given up for other nodes to adopt. */
  handOver: boolean
  /** What this node has others answer. */
  underWay: { calls: UnderWay, streams: UnderWay }
  forwarder?: { endStreams: () => void, breakOff: () => void } | undefined
  /** The clients' connections: each ends with its next request. */
  connections?: { end: (signal: AbortSignal) => Promise<void> } | undefined
  log: FastifyBaseLogger
}

/**
 * Takes a node out of service: it leaves the pool, after the grace takes no new
 * sessions, lets calls in flight finish, its own and those it passes on, and then
 * ends its connections. With `handOver` each session is given up as soon as it is
 * idle, for other nodes to adopt; else they stay, without streams, until the node closes.
 */
export class Drain {
  readonly #parts: DrainParts
  readonly #cut = new AbortController()
  #drained: Promise<Drained> | undefined

  constructor (parts: DrainParts) {
    this.#parts = parts
  }

  /** Called again, it returns the same promise; what the later caller wants shorter is made shorter. */
  run ({ grace, timeout, disconnect = true, signal }: DrainOptions): Promise<Drained> {
    if (signal?.aborted === true) this.#cut.abort()
    signal?.addEventListener('abort', () => this.#cut.abort(), { once: true })
    this.#drained ??= this.#run(grace, timeout, disconnect)
    return this.#drained
  }

  async #run (grace: number, timeout: number, disconnect: boolean): Promise<Drained> {
    const { sessions, connections, forwarder, underWay, log } = this.#parts
    const begun = performance.now()
    sessions.leave('draining')
    log.info({ sessions: sessions.size }, 'mcp node is draining')
    await this.#wait(grace)
    sessions.leave('closing')
    const closing = performance.now()
    const before = sessions.ended.handed_over
    const inFlight = this.#inFlight()
    const over = this.#wait(timeout).then(() => 'over' as const)
    const lost = new Set<unknown>()

    await this.#finish(over, lost)
    await Promise.race([over, underWay.calls.given()])
    forwarder?.endStreams()
    if (disconnect) await connections?.end(this.#cut.signal)
    // Calls that came with the last requests.
    await this.#finish(over, lost)
    if (!await this.#given(over)) {
      for (const answer of underWay.calls.values()) lost.add(answer)
      forwarder?.breakOff()
    }
    if (!this.#parts.handOver) this.#endStreams(lost)
    if (lost.size > 0) log.warn({ calls: lost.size }, 'calls were still in flight when the time to drain was over; they end with an error')

    const now = performance.now()
    const drained = {
      handedOver: sessions.ended.handed_over - before,
      finished: inFlight.filter(call => !lost.has(call)).length,
      lost: lost.size,
      took: Math.round(now - begun),
      left: this.#cut.signal.aborted ? 0 : Math.max(0, Math.round(closing + timeout - now))
    }
    log.info(drained, 'mcp node is drained')
    return drained
  }

  /** Waits for the calls of this node's sessions, until the time is over; sessions that are given up go one by one. */
  async #finish (over: Promise<'over'>, lost: Set<unknown>): Promise<void> {
    const { sessions, handOver } = this.#parts
    if (handOver) return this.#handOverAll(over, lost)
    await Promise.race([over, Promise.all([this.#made(over), ...[...sessions.values()].map(session => session.transport.idle())])])
  }

  async #handOverAll (over: Promise<'over'>, lost: Set<unknown>): Promise<void> {
    const { sessions } = this.#parts
    for (;;) {
      const busy: LocalSession[] = []
      const idle: LocalSession[] = []
      for (const session of sessions.values()) (session.busy ? busy : idle).push(session)
      await sessions.handOver(idle, GIVE_UP)
      const changes = busy.map(session => session.transport.idle())
      if (sessions.expected > 0) changes.push(this.#made(over))
      if (changes.length === 0 && idle.length === 0) return
      if (changes.length > 0 && await Promise.race([over, ...changes]) === 'over') break
    }
    const left = [...sessions.values()]
    for (const { transport } of left) for (const call of transport.calls.values()) lost.add(call)
    await sessions.handOver(left, GIVE_UP)
  }

  /** Sessions that are being made, or taken over, are here. */
  async #made (over: Promise<'over'>): Promise<void> {
    const { sessions } = this.#parts
    while (sessions.expected > 0) {
      if (await Promise.race([over, this.#wait(LOOK)]) === 'over') return
    }
  }

  /** What others answer for this node has been given in full; false when the time was over first. */
  async #given (over: Promise<'over'>): Promise<boolean> {
    const { calls, streams } = this.#parts.underWay
    while (calls.size + streams.size > 0) {
      if (await Promise.race([over, Promise.all([calls.given(), streams.given()])]) === 'over') return false
    }
    return true
  }

  /** Sessions that stay have no streams; those of calls end with an error. */
  #endStreams (lost: Set<unknown>): void {
    for (const { transport } of this.#parts.sessions.values()) {
      for (const call of transport.calls.values()) lost.add(call)
      transport.endStreams()
    }
  }

  /** Calls that wait for their answers, here or elsewhere. */
  #inFlight (): unknown[] {
    const { sessions, underWay } = this.#parts
    const local = [...sessions.values()].flatMap(({ transport }) => [...transport.calls.values()])
    return [...new Set<unknown>([...local, ...underWay.calls.values()])]
  }

  async #wait (milliseconds: number): Promise<void> {
    const { signal } = this.#cut
    if (milliseconds === 0 || signal.aborted) return
    await setTimeout(milliseconds, undefined, { signal, ref: false }).catch(error => { if (!signal.aborted) throw error })
  }
}
