import type { LocalNode, SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { NewRecord, SessionRecord } from '../directory/record.ts'
import { mayRemove } from '../directory/remover.ts'
import type { Remover } from '../directory/remover.ts'
import { Arrivals } from './arrival.ts'
import type { AdoptedSession, Arrival } from './arrival.ts'
import type { Incoming } from './incoming.ts'
import { Departures } from './departure.ts'
import type { EndReason, SingleEnd } from './departure.ts'
import type { Lease } from './lease.ts'
import { Openings } from './opening.ts'
import type { Initialize } from './opening.ts'
import { Ownership } from './ownership.ts'
import { startReaper } from './reaper.ts'
import { ServerBuilder } from './server-builder.ts'
import type { BuilderParts } from './server-builder.ts'
import type { LocalSession } from './session.ts'
import type { Full, SessionStore } from './store.ts'

export interface SessionsParts extends BuilderParts {
  node: NodeIdentity
  store: SessionStore
  directory: SessionDirectory
  /** With `orphan: 'adopt'`: others may take a session over, and what they need is recorded. */
  lease: Pick<Lease, 'running' | 'holds' | 'beating'> | undefined
  onAdopt: ((session: AdoptedSession) => unknown) | undefined
  limits: { idleTimeout: number, firstUseTimeout: number }
}

/**
 * The sessions of this node: those that are here, and what becomes of them.
 * What is more than a look at the store is done by four parts, which say what
 * their methods mean: Openings and Arrivals bring sessions here, Ownership
 * knows whether they may be served, Departures ends them.
 */
export class Sessions implements LocalNode {
  readonly node: NodeIdentity
  readonly #store: SessionStore
  readonly #directory: SessionDirectory
  readonly #lease: SessionsParts['lease']
  readonly #limits: SessionsParts['limits']
  readonly #ownership: Ownership
  readonly #openings: Openings
  readonly #arrivals: Arrivals
  readonly #departures: Departures
  #stopReaper = (): void => {}

  constructor (parts: SessionsParts) {
    const { node, store, directory, lease, onAdopt, limits, log } = parts
    const adoptable = lease !== undefined
    const builder = new ServerBuilder(parts)
    const ownership = new Ownership({ node, store, directory, lease, log })
    const departures = new Departures({ node, store, directory, builder, adoptable, log })
    this.node = node
    this.#store = store
    this.#directory = directory
    this.#lease = lease
    this.#limits = limits
    this.#ownership = ownership
    this.#openings = new Openings({ node, store, directory, builder, ownership, departures, adoptable })
    this.#arrivals = new Arrivals({ node, store, directory, builder, ownership, departures, lease, onAdopt, log })
    this.#departures = departures
  }

  // What is here.

  get size (): number { return this.#store.size }
  /** Sessions that are being made, or taken over. */
  get expected (): number { return this.#store.expected }
  get opened (): number { return this.#openings.count }
  get adopted (): number { return this.#arrivals.count }
  get ended (): Record<EndReason, number> { return this.#departures.ended }
  get state (): Departures['state'] { return this.#departures.state }
  get (id: string): LocalSession | undefined { return this.#store.get(id) }
  has (id: string): boolean { return this.#store.has(id) }
  ids (): Iterable<string> { return this.#store.ids() }
  values (): Iterable<LocalSession> { return this.#store.values() }
  /** The epoch under which a session is held here, or is being moved here; undefined when it is neither. */
  holds (id: string): string | undefined { return (this.#store.get(id) ?? this.#arrivals.get(id))?.epoch }
  /** The id of a session that is held here, or is being moved here, by its digest. */
  idOf (digest: string): string | undefined { return this.#store.idOf(digest) ?? this.#arrivals.idOf(digest) }

  // What else the directory asks, and what it says (see LocalNode).

  get draining (): boolean { return this.state !== 'open' }
  get room (): number { return this.draining ? 0 : this.#store.room }
  get leased (): boolean { return this.#lease?.running ?? true }
  /** Also of a session that is being given up, and of one that the end of this node has ended. */
  record (id: string): NewRecord | undefined { return this.#store.get(id)?.record() ?? this.#departures.record(id) }
  beating (): (gone: boolean) => void { return this.#lease?.beating() ?? (() => {}) }
  superseded (): void { this.#departures.superseded() }

  kept (id: string, epoch: string): void {
    const session = this.#store.get(id)
    if (session !== undefined) session.epoch = epoch
  }

  /** The close sets and the directory's answers arrive here. */
  end (id: string, why: 'closed' | 'taken'): void {
    this.#arrivals.callOff(id)
    const session = this.#store.get(id)
    if (session !== undefined) this.finish(session, why === 'closed' ? 'requested_elsewhere' : 'taken')
  }

  /** Joins the cluster; from then on sessions that nobody uses end. */
  async start (): Promise<void> {
    await this.#directory.start(this)
    this.#stopReaper = startReaper({
      sessions: () => this.#store.values(),
      limits: this.#limits,
      onDue: (session, why) => this.finish(session, why),
      onKept: session => this.#directory.touch(session.id)
    })
  }

  // How sessions come.

  open (initialize: Initialize): Promise<Full | 'node_closing' | undefined> {
    return this.#openings.open(initialize)
  }

  expect (record: SessionRecord): Arrival | undefined {
    return this.#arrivals.expect(record)
  }

  adopt (record: SessionRecord, arrival: Arrival, incoming: Incoming): Promise<LocalSession | undefined> {
    return this.#arrivals.adopt(record, arrival, incoming)
  }

  arrived (record: SessionRecord, here: boolean): void {
    this.#arrivals.arrived(record, here)
  }

  // What each request of a session asks.

  secured (session: LocalSession): Promise<boolean> | undefined {
    return this.#ownership.secured(session)
  }

  /** The session was used by its client. */
  touch (session: LocalSession): void {
    session.used = true
    session.seen = performance.now()
    this.#directory.touch(session.id)
  }

  // How sessions go, and the node.

  finish (session: LocalSession, why: SingleEnd, by?: Remover): void {
    this.#departures.finish(session, why, by)
  }

  /** A close that somebody asked for, wherever the session lives. */
  async close (id: string, by: Remover): Promise<'removed' | 'unknown' | 'queued'> {
    const session = this.#store.get(id)
    const asked = session !== undefined && mayRemove(by, { principal: session.principalKey })
    if (!asked) return this.#directory.remove(id, by)
    this.finish(session, 'requested', by)
    return 'removed'
  }

  leave (state: 'draining' | 'closing'): void {
    this.#departures.leave(state)
  }

  handOver (sessions: LocalSession[], bound: number): Promise<void> {
    return this.#departures.handOver(sessions, bound)
  }

  leaving (id: string): Promise<void> | undefined {
    return this.#departures.leaving(id)
  }

  shutdown (bound: number): Promise<void> {
    this.#stopReaper()
    return this.#departures.shutdown(bound)
  }
}
