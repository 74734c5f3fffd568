import type { FastifyBaseLogger } from 'fastify'
import type { LocalNode, SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { NewRecord, SessionRecord } from '../directory/record.ts'
import type { Lives } from '../events/lives.ts'
import { DEFAULT_ENDPOINT } from '../endpoint-name.ts'
import { mayRemove } from '../directory/remover.ts'
import type { Remover } from '../directory/remover.ts'
import { Arrivals } from './arrival.ts'
import type { Arrival } from './arrival.ts'
import type { Incoming } from './incoming.ts'
import { Departures } from './departure.ts'
import type { SingleEnd } from './departure.ts'
import type { Endpoint, Endpoints } from './endpoint.ts'
import type { Lease } from './lease.ts'
import { Openings } from './opening.ts'
import type { Initialize } from './opening.ts'
import { Ownership } from './ownership.ts'
import type { Full } from './places.ts'
import { startReaper } from './reaper.ts'
import type { LocalSession } from './session.ts'
import { SessionStore } from './store.ts'

export interface SessionsParts {
  node: NodeIdentity
  /** All are there before `start`. */
  endpoints: Endpoints
  directory: SessionDirectory
  /** With `orphan: 'adopt'`: others may take a session over, and what they need is recorded. */
  lease: Pick<Lease, 'running' | 'holds' | 'beating'> | undefined
  lives: Lives
  /** An operator asks this node to leave. Default: nothing comes of it. */
  drainAsked?: (() => void) | undefined
  /** An operator asks what this node sees of the others. Default: nothing is said. */
  look?: LocalNode['look']
  log: FastifyBaseLogger
}

/**
 * The sessions of this node, of all its endpoints: those that are here, and what becomes of them.
 * What is more than a look at the store is done by four parts, which say what
 * their methods mean: Openings and Arrivals bring sessions here, Ownership
 * knows whether they may be served, Departures ends them.
 */
export class Sessions implements LocalNode {
  readonly node: NodeIdentity
  readonly #store = new SessionStore()
  readonly #endpoints: Endpoints
  readonly #directory: SessionDirectory
  readonly #lease: SessionsParts['lease']
  readonly #ownership: Ownership
  readonly #openings: Openings
  readonly #arrivals: Arrivals
  readonly #departures: Departures
  readonly #drainAsked: () => void
  readonly look: LocalNode['look']
  #reapers: Array<() => void> = []

  constructor (parts: SessionsParts) {
    const { node, endpoints, directory, lease, lives, log } = parts
    const store = this.#store
    const adoptable = lease !== undefined
    const ownership = new Ownership({ node, store, directory, lease, log })
    const departures = new Departures({ node, store, directory, adoptable, lives, log })
    this.node = node
    this.#endpoints = endpoints
    this.#directory = directory
    this.#lease = lease
    this.#ownership = ownership
    this.#openings = new Openings({ node, store, directory, ownership, departures, adoptable, lives })
    this.#arrivals = new Arrivals({ node, store, directory, endpoints, ownership, departures, lease, log })
    this.#departures = departures
    this.#drainAsked = parts.drainAsked ?? (() => {})
    this.look = parts.look
  }

  // What is here.

  get size (): number { return this.#store.size }
  /** Sessions that are being made, or taken over. */
  get expected (): number { return this.#sum(({ places }) => places.expected) }
  /** Sessions that were given up for others. */
  get handedOver (): number { return this.#departures.handedOver }
  get state (): Departures['state'] { return this.#departures.state }
  get (id: string): LocalSession | undefined { return this.#store.get(id) }
  has (id: string): boolean { return this.#store.has(id) }
  ids (): Iterable<string> { return this.#store.ids() }
  values (): Iterable<LocalSession> { return this.#store.values() }
  /** The epoch under which a session of an endpoint is held here, or is being moved here; undefined when it is neither. */
  holds (id: string, endpoint = DEFAULT_ENDPOINT): string | undefined {
    const here = this.#store.get(id) ?? this.#arrivals.get(id)
    return here?.endpoint.name === endpoint ? here.epoch : undefined
  }

  /** The id of a session that is held here, or is being moved here, by its digest. */
  idOf (digest: string): string | undefined { return this.#store.idOf(digest) ?? this.#arrivals.idOf(digest) }

  // What else the directory asks, and what it says (see LocalNode).

  get draining (): boolean { return this.state !== 'open' }
  get room (): number { return this.draining ? 0 : this.#sum(({ places }) => places.room) }
  /** How many more sessions of an endpoint it takes. */
  roomAt (endpoint: string): number { return this.draining ? 0 : this.#endpoints.get(endpoint)?.places.room ?? 0 }
  get tagged (): Record<string, number> { return this.#store.tagged }
  get leased (): boolean { return this.#lease?.running ?? true }
  /** Also of a session that is being given up, and of one that the end of this node has ended. */
  record (id: string): NewRecord | undefined { return this.#store.get(id)?.record() ?? this.#departures.record(id) }
  beating (): (gone: boolean) => void { return this.#lease?.beating() ?? (() => {}) }
  superseded (): void { this.#departures.superseded() }
  drainAsked (): void { this.#drainAsked() }

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
    this.#reapers = [...this.#endpoints.values()].map(endpoint => startReaper({
      sessions: () => this.#of(endpoint),
      limits: endpoint.limits,
      onDue: (session, why) => this.finish(session, why),
      onKept: session => this.#directory.touch(session.id)
    }))
  }

  // How sessions come.

  /** @throws ServerFailedError, TypeError where this node does not have the endpoint. */
  async open (endpoint: string, initialize: Initialize): Promise<Full | 'node_closing' | undefined> {
    const opened = this.#endpoints.get(endpoint)
    if (opened === undefined) throw new TypeError(`this node has no endpoint ${endpoint}`)
    return this.#openings.open(opened, initialize)
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

  become (state: 'draining' | 'closing'): void {
    this.#departures.become(state)
  }

  handOver (sessions: LocalSession[], bound: number): Promise<void> {
    return this.#departures.handOver(sessions, bound)
  }

  leaving (id: string): Promise<void> | undefined {
    return this.#departures.leaving(id)
  }

  shutdown (bound: number): Promise<void> {
    for (const stop of this.#reapers) stop()
    return this.#departures.shutdown(bound)
  }

  * #of (endpoint: Endpoint): Iterable<LocalSession> {
    for (const session of this.#store.values()) if (session.endpoint === endpoint) yield session
  }

  #sum (count: (endpoint: Endpoint) => number): number {
    let sum = 0
    for (const endpoint of this.#endpoints.values()) sum += count(endpoint)
    return sum
  }
}
