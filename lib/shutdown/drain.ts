import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { within } from '../bounds/within.ts'
import type { Events } from '../events/events.ts'
import type { Drained } from '../sessions/mcp-sessions.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { UnderWay } from '../http/under-way.ts'

/** How long giving sessions up may take, in milliseconds. */
const GIVE_UP = 900
/** Least time for the calls that come with the last requests of connections, in milliseconds. */
const LAST_CALLS = 1000
/** How often sessions are looked for that are still being made, in milliseconds. */
const LOOK = 50

interface DrainOptions {
  /** Milliseconds until the proxy has seen that the node left the pool. */
  grace: number
  /** Milliseconds that calls in flight get to finish. */
  timeout: number
  /** Cuts both short. */
  signal?: AbortSignal | undefined
}

interface DrainParts {
  sessions: Sessions
  /** Sessions are given up for other nodes to adopt. */
  handOver: boolean
  /** What this node has others answer. */
  underWay: { calls: UnderWay, streams: UnderWay }
  forwarder?: { endStreams: () => void, breakOff: () => void } | undefined
  /** The clients' connections: each ends with its next request. */
  connections?: { end: (signal: AbortSignal) => Promise<void> } | undefined
  /** Names who is to have this node's sessions. */
  heirs?: { handOn: () => Promise<void> } | undefined
  /** Milliseconds between two beats. */
  beat: number
  events: Events
  log: FastifyBaseLogger
}

/**
 * Takes a node out of service: it leaves the pool, after the grace takes no new
 * sessions, and lets calls in flight finish, its own and those it passes on.
 * With `handOver` each session is given up as soon as it is idle, for other
 * nodes to adopt; else they stay, without streams, until the node closes. It serves
 * and passes on what arrives until then: `close` ends its connections.
 */
export class Drain {
  readonly #parts: DrainParts
  readonly #cut = new AbortController()
  /** Calls that the end of the time found in flight. */
  readonly #lost = new Set<unknown>()
  #drained: Promise<Drained> | undefined
  #closed = false

  constructor (parts: DrainParts) {
    this.#parts = parts
  }

  /** Called again, it returns the same promise; what the later caller wants shorter is made shorter. */
  run ({ grace, timeout, signal }: DrainOptions): Promise<Drained> {
    if (signal?.aborted === true) this.#cut.abort()
    signal?.addEventListener('abort', () => this.#cut.abort(), { once: true })
    this.#drained ??= this.#run(grace, timeout)
    return this.#drained
  }

  /**
   * Ends the connections of a node that is drained, while the application still serves: whoever
   * has a request on its way, another node for example, gets an answer.
   */
  async close (drained: Drained): Promise<void> {
    const { connections, forwarder } = this.#parts
    const begun = performance.now()
    forwarder?.endStreams()
    await connections?.end(this.#cut.signal)
    const over = this.#wait(Math.max(begun + drained.left - performance.now(), LAST_CALLS)).then(() => 'over' as const)
    await this.#finish(over)
    const given = await this.#given(over)
    for (const call of this.#inFlight()) this.#lost.add(call)
    if (!given) forwarder?.breakOff()
    this.#count(drained)
    this.#closed = true
  }

  /** Says where the sessions go before they do, so that whoever is asked for one knows; and where those go that others have meant for this node meanwhile. */
  async #nameHeirs (over: Promise<'over'>): Promise<void> {
    const { heirs, beat, log } = this.#parts
    if (heirs === undefined) return
    await Promise.race([over, within(GIVE_UP, heirs.handOn())])
    const again = async (): Promise<void> => {
      while (!this.#closed) {
        await setTimeout(beat, undefined, { ref: false })
        if (!this.#closed) await heirs.handOn()
      }
    }
    again().catch(err => log.error({ err }, 'heirs could not be named'))
  }

  async #run (grace: number, timeout: number): Promise<Drained> {
    const { sessions, underWay, events } = this.#parts
    const begun = performance.now()
    sessions.become('draining')
    events.emit('node.draining', { sessions: sessions.size })
    await this.#wait(grace)
    sessions.become('closing')
    const closing = performance.now()
    const before = sessions.handedOver
    const inFlight = this.#inFlight()
    const over = this.#wait(timeout).then(() => 'over' as const)
    await this.#nameHeirs(over)
    await this.#finish(over)
    await Promise.race([over, underWay.calls.given()])
    const now = performance.now()
    const late = new Set(this.#inFlight())
    const drained: Drained = {
      handedOver: sessions.handedOver - before,
      finished: inFlight.filter(call => !this.#lost.has(call) && !late.has(call)).length,
      lost: 0,
      took: Math.round(now - begun),
      left: this.#cut.signal.aborted ? 0 : Math.max(0, Math.round(closing + timeout - now))
    }
    this.#count(drained)
    const { took, left, ...counted } = drained
    events.emit('node.drained', { ...counted, durationMs: took }, { besides: { took, left } })
    return drained
  }

  #count (drained: Drained): void {
    const { size } = this.#lost
    if (size === drained.lost) return
    drained.lost = size
    this.#parts.log.warn({ calls: size }, 'calls were still in flight when the time to drain was over; they end with an error')
  }

  /** Waits for the calls of this node's sessions, until the time is over; sessions that are given up go one by one. */
  async #finish (over: Promise<'over'>): Promise<void> {
    const { sessions, handOver } = this.#parts
    if (handOver) return this.#handOverAll(over)
    const idle = [...sessions.values()].map(session => session.transport.idle())
    const late = await Promise.race([over, Promise.all([this.#made(over), ...idle])]) === 'over'
    for (const { transport } of sessions.values()) {
      for (const call of transport.calls.values()) if (late || call.streaming) this.#lost.add(call)
      transport.endStreams()
    }
  }

  async #handOverAll (over: Promise<'over'>): Promise<void> {
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
    for (const { transport } of left) for (const call of transport.calls.values()) this.#lost.add(call)
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
