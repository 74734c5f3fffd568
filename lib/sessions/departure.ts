import type { FastifyBaseLogger } from 'fastify'
import { within } from '../bounds/within.ts'
import type { EndReason } from '../counters.ts'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { Lives } from '../events/lives.ts'
import type { NewRecord } from '../directory/record.ts'
import type { Remover } from '../directory/remover.ts'
import { sessionName } from '../session-id.ts'
import type { LocalSession } from './session.ts'
import type { SessionStore } from './store.ts'

/** Why one session ended, its node going on. */
export type SingleEnd = Exclude<EndReason, 'shutdown' | 'handed_over'>

interface DeparturesParts {
  node: NodeIdentity
  store: SessionStore
  directory: Pick<SessionDirectory, 'announce' | 'discard' | 'giveUp' | 'stop'>
  /** With `orphan: 'adopt'`: what this node's end finds is given up for others; else its records are deleted. */
  adoptable: boolean
  lives: Lives
  log: FastifyBaseLogger
}

/**
 * How sessions leave this node: one by one (`finish`), given up for other nodes
 * to go on with (`handOver`), or all together with it (`shutdown`).
 */
export class Departures {
  /**
   * How far this node is on its way out. `draining`: out of the proxy's pool,
   * still taking what arrives. `closing`: no new sessions. `superseded`: nothing
   * is served, another process has this node's id.
   */
  state: 'open' | 'draining' | 'closing' | 'superseded' = 'open'
  /** Sessions that were given up, of all endpoints. */
  handedOver = 0
  readonly #parts: DeparturesParts
  /** Sessions that are being given up: out of the store already, their records not yet marked. `left` settles when they are. */
  readonly #leaving = new Map<string, { session: LocalSession, left: Promise<void> }>()
  /** The records of the sessions that this node's shutdown has ended: the directory still asks for them when the sessions are out of the store. */
  readonly #lastRecords = new Map<string, NewRecord>()
  #shutdown: Promise<void> | undefined

  constructor (parts: DeparturesParts) {
    this.#parts = parts
  }

  /** `shutdown` was called: what is being made now would outlive its node. */
  get shuttingDown (): boolean { return this.#shutdown !== undefined }

  /** The record of a session that has left the store, but of which the directory may not have been told all. */
  record (id: string): NewRecord | undefined { return this.#leaving.get(id)?.session.record() ?? this.#lastRecords.get(id) }

  /**
   * Ends a local session, once. `by`: who asked for it here. Its record is deleted, but not where the end was asked for on
   * another node, which has cleaned it up already, nor where another owner has it.
   */
  finish (session: LocalSession, why: SingleEnd, by?: Remover): void {
    const { store, directory, lives, log } = this.#parts
    if (!store.delete(session)) return
    session.endpoint.counters.ended[why]++
    lives.ended(told(session), why)
    if (why !== 'requested_elsewhere' && why !== 'taken') directory.discard(session.id, by)
    // Whoever has taken it goes on with its stored events.
    if (why !== 'taken') this.#forgetEvents(session)
    this.#close(session).catch(error => log.error({ err: error }, 'ending an mcp session failed'))
  }

  /** Another process has taken this node's id: sessions end here, and what is recorded and stored of them is left to others. */
  superseded (): void {
    const { node, store, log } = this.#parts
    this.state = 'superseded'
    log.error({ node: node.id }, 'another process took this node\'s id: this one stops serving; give each process its own node.id')
    for (const session of store.values()) this.finish(session, 'taken')
  }

  /** Says how far this node is on its way out, to the other nodes and the proxy as well. */
  become (state: 'draining' | 'closing'): void {
    if (this.state === 'superseded' || this.state === state) return
    this.state = state
    this.#parts.directory.announce()
  }

  /** Settles when a session that is being given up has been; undefined when it isn't one. */
  leaving (id: string): Promise<void> | undefined {
    return this.#leaving.get(id)?.left
  }

  /**
   * Gives sessions up, for other nodes to adopt. Requests that arrive meanwhile wait until the
   * directory says so, within `bound` milliseconds; calls in flight end with an error.
   */
  async handOver (sessions: LocalSession[], bound: number): Promise<void> {
    const mine = sessions.filter(session => this.#parts.store.delete(session))
    if (mine.length === 0) return
    const left = this.#giveUp(mine, bound)
    for (const session of mine) this.#leaving.set(session.id, { session, left })
    await left
  }

  async #giveUp (sessions: LocalSession[], bound: number): Promise<void> {
    // First handOver notes them as leaving: the directory still asks for the records of those that it is to give up.
    await Promise.resolve()
    for (const session of sessions) session.transport.endStreams()
    await this.#parts.directory.giveUp(sessions.map(session => session.id), bound)
    for (const session of sessions) {
      this.#leaving.delete(session.id)
      session.endpoint.counters.ended.handed_over++
      this.handedOver++
      this.#parts.lives.handedOver(told(session))
      this.#close(session).catch(error => this.#parts.log.error({ err: error }, 'ending an mcp session failed'))
    }
  }

  /**
   * Ends every session and cleans the directory, each within `bound`
   * milliseconds and neither waiting for the other: Redis is cleaned whatever
   * the local close does (ADR-0066). Called again, it returns the same promise.
   */
  shutdown (bound: number): Promise<void> {
    this.#shutdown ??= this.#endAll(bound)
    return this.#shutdown
  }

  async #endAll (bound: number): Promise<void> {
    const { store, directory, adoptable, lives, log } = this.#parts
    const sessions = [...store.values()]
    const ids = sessions.map(session => session.id)
    const closed = sessions.map(session => {
      if (adoptable) this.#lastRecords.set(session.id, session.record())
      store.delete(session)
      session.endpoint.counters.ended.shutdown++
      if (adoptable) lives.handedOver(told(session))
      else lives.ended(told(session), 'shutdown')
      return this.#close(session)
    })
    if (!adoptable) for (const session of sessions) this.#forgetEvents(session)
    const [left] = await Promise.all([
      directory.stop(ids, bound, { giveUp: adoptable }),
      within(bound, Promise.all(closed))
    ])
    if (left > 0) log.warn({ left }, 'session records were left in the directory; they expire by themselves')
  }

  /** The event store may let go of what a session has sent. */
  #forgetEvents ({ id, transport }: LocalSession): void {
    transport.forgetEvents().catch(error => this.#parts.log.warn({ err: error, session: sessionName(id) }, 'the events of an mcp session were left in the event store; they expire by themselves'))
  }

  async #close (session: LocalSession): Promise<void> {
    await session.transport.close()
    await session.endpoint.builder.close(session.id, session.server)
  }
}

/** What is told of a session that goes. */
function told ({ id, endpoint, createdAt }: LocalSession): { id: string, endpoint: string, createdAt: number } {
  return { id, endpoint: endpoint.name, createdAt }
}
