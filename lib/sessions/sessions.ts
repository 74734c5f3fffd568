import type { FastifyRequest } from 'fastify'
import { sessionDigest, shortId } from '../session-id.ts'
import { principalKey } from '../security/principal.ts'
import type { Principal } from '../security/principal.ts'
import type { MessageExtra } from '../transport/extra.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { StreamableHttpTransport } from '../transport/transport.ts'
import type { DirectoryOwner, Location, SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity, NodeStatus } from '../directory/node.ts'
import type { NewRecord, SessionRecord } from '../directory/record.ts'
import { mayRemove } from '../directory/remover.ts'
import type { Remover } from '../directory/remover.ts'
import { Departures } from './departure.ts'
import type { EndReason } from './departure.ts'
import type { Lease } from './lease.ts'
import { Openings } from './opening.ts'
import type { Initialize } from './opening.ts'
import { Ownership } from './ownership.ts'
import { startReaper } from './reaper.ts'
import { ServerBuilder } from './server-builder.ts'
import type { BuilderParts } from './server-builder.ts'
import { LocalSession } from './session.ts'
import type { Full, SessionStore } from './store.ts'

/** What the application is told about a session that this node has taken over. */
export interface AdoptedSession {
  sessionId: string
  /** What `createServer` returned; the client's initialize, log level and subscriptions have been replayed into it. */
  server: McpServerLike
  /** The record as the lost node left it. */
  record: SessionRecord
  /** The last `session.state` that was set. */
  state: unknown
}

/** A session that is being moved here. */
export interface Arrival {
  /** The node's epoch before its record was claimed: should it have passed by now, the session asks whose it is. */
  readonly epoch: string
  /** Somebody asked for its end meanwhile, or it took too long. */
  unwanted: boolean
}

export interface SessionsParts extends BuilderParts {
  node: NodeIdentity
  store: SessionStore
  directory: SessionDirectory
  /** With `orphan: 'adopt'`: others may take a session over, and what they need is recorded. */
  lease: Pick<Lease, 'running' | 'holds' | 'beating'> | undefined
  onAdopt: ((session: AdoptedSession) => unknown) | undefined
  limits: { idleTimeout: number, firstUseTimeout: number }
}

/** Everything a session goes through on this node, from initialize to its end. */
export class Sessions implements DirectoryOwner {
  readonly node: NodeIdentity
  readonly adopted = { count: 0 }
  readonly #parts: SessionsParts
  readonly #builder: ServerBuilder
  readonly #store: SessionStore
  readonly #directory: SessionDirectory
  readonly #ownership: Ownership
  readonly #departures: Departures
  readonly #openings: Openings
  readonly #arriving = new Map<string, Arrival>()
  #stopReaper = (): void => {}

  constructor (parts: SessionsParts) {
    this.#parts = parts
    this.node = parts.node
    this.#builder = new ServerBuilder(parts)
    this.#store = parts.store
    this.#directory = parts.directory
    this.#ownership = new Ownership(parts)
    this.#departures = new Departures({ ...parts, builder: this.#builder, giveUp: parts.lease !== undefined })
    this.#openings = new Openings({ ...parts, builder: this.#builder, ownership: this.#ownership, departures: this.#departures, adoptable: parts.lease !== undefined })
  }

  get size (): number { return this.#store.size }
  /** Sessions that are being made, or taken over. */
  get expected (): number { return this.#store.expected }
  get opened (): number { return this.#openings.count }
  get ended (): Record<EndReason, number> { return this.#departures.ended }
  /** How far this node is on its way out. */
  get state (): Departures['state'] { return this.#departures.state }
  get draining (): boolean { return this.state !== 'open' }
  get room (): number { return this.draining ? 0 : this.#store.room }
  get leased (): boolean { return this.#parts.lease?.running ?? true }
  get (id: string): LocalSession | undefined { return this.#store.get(id) }
  has (id: string): boolean { return this.#store.has(id) }
  ids (): Iterable<string> { return this.#store.ids() }
  /** The epoch under which a session is held here, or is being moved here; undefined when it is neither. */
  holds (id: string): string | undefined { return (this.#store.get(id) ?? this.#arriving.get(id))?.epoch }
  /** The id of a session that is held here, or is being moved here, by its digest. */
  idOf (digest: string): string | undefined { return this.#store.idOf(digest) ?? [...this.#arriving.keys()].find(id => sessionDigest(id) === digest) }
  values (): Iterable<LocalSession> { return this.#store.values() }
  record (id: string): NewRecord | undefined { return this.#store.get(id)?.record() ?? this.#departures.record(id) }
  beating (): (gone: boolean) => void { return this.#parts.lease?.beating() ?? (() => {}) }

  kept (id: string, epoch: string): void {
    const session = this.#store.get(id)
    if (session !== undefined) session.epoch = epoch
  }

  async start (): Promise<void> {
    await this.#directory.start(this)
    this.#stopReaper = startReaper({
      sessions: () => this.#store.values(),
      limits: this.#parts.limits,
      onDue: (session, why) => this.finish(session, why),
      onKept: session => this.#directory.touch(session.id)
    })
  }

  /** The session was used by its client. */
  touch (session: LocalSession): void {
    session.used = true
    session.seen = performance.now()
    this.#directory.touch(session.id)
  }

  secured (session: LocalSession): Promise<boolean> | undefined {
    return this.#ownership.secured(session)
  }

  open (initialize: Initialize): Promise<Full | 'node_closing' | undefined> {
    return this.#openings.open(initialize)
  }

  /** Takes a place for a session that moves here, before its record is claimed; undefined when there is none. */
  expect ({ id, principal }: SessionRecord): Arrival | undefined {
    if (!this.#store.reserveMoved(principal)) return undefined
    const arrival = { epoch: this.node.epoch, unwanted: false }
    this.#arriving.set(id, arrival)
    return arrival
  }

  /** It has come, or will not: then its place is given back. */
  arrived ({ id, principal }: SessionRecord, here: boolean): void {
    this.#arriving.delete(id)
    if (!here) this.#store.unreserve(principal)
  }

  /**
   * Makes a session of a claimed record, in its reserved place: a new server is
   * told what the client told the lost one. Undefined: look again, its end was asked for meanwhile, or the claim is old.
   * @throws when it cannot be; the record and the place are the caller's to give back.
   */
  async adopt (record: SessionRecord, arrival: Arrival, { request, principal, extra }: { request: FastifyRequest, principal: Principal | undefined, extra: MessageExtra }): Promise<LocalSession | undefined> {
    const { id, replay, protocolVersion, clientInfo, createdAt, state } = record
    let session: LocalSession | undefined
    const transport = this.#builder.transport({
      sessionId: id,
      ...this.#ownership.callbacks(() => session)
    })
    let closed = false
    // Before the server connects: the SDK keeps what it finds, and adds its own.
    transport.onclose = () => {
      closed = true
      if (session !== undefined) this.finish(session, 'server_closed')
    }
    const server = await this.#builder.server(transport, request, principal)
    try {
      // Paused since the claim: the session, and its events, may be somebody else's by now.
      if (this.#parts.lease?.holds(arrival.epoch) === false) return undefined
      // Made up for before the next event is stored.
      await transport.takeOver().catch(err => this.#parts.log.warn({ err, session: shortId(id) }, 'the events of an adopted session could not be taken over yet'))
      await transport.replay(replay!, protocolVersion, extra)
      const adopted = new LocalSession({ ...this.#common(transport, server, principal), clientInfo, createdAt, state, initialize: replay!.initialize })
      adopted.epoch = arrival.epoch
      adopted.used = true
      await this.#parts.onAdopt?.({ sessionId: id, server, record, state: adopted.state })
      if (this.#departures.shuttingDown) throw new Error('this node is shutting down')
      if (closed) throw new Error('the server closed its connection')
      if (arrival.unwanted) return undefined
      session = adopted
      this.#store.add(adopted)
      this.adopted.count++
      return adopted
    } finally {
      if (session === undefined) {
        await transport.close()
        await this.#builder.close(id, server)
      }
    }
  }

  #common (transport: StreamableHttpTransport, server: McpServerLike, principal: Principal | undefined) {
    return {
      id: transport.sessionId, transport, server, principal, principalKey: principalKey(principal), changed: this.#changed
    }
  }

  readonly #changed = (id: string): void => { this.#directory.changed(id) }

  finish (session: LocalSession, why: EndReason, by?: Remover): void {
    this.#departures.finish(session, why, by)
  }

  /** The close sets and the directory's answers arrive here. */
  end (id: string, why: 'closed' | 'taken'): void {
    const arrival = this.#arriving.get(id)
    if (arrival !== undefined) arrival.unwanted = true
    const session = this.#store.get(id)
    if (session !== undefined) this.finish(session, why === 'closed' ? 'requested_elsewhere' : 'taken')
  }

  superseded (): void {
    this.#departures.superseded()
  }

  leaving (id: string): Promise<void> | undefined {
    return this.#departures.leaving(id)
  }

  /** Where an id stands for somebody whose session is not here. */
  locateElsewhere (id: string, how?: { fresh?: boolean }): Promise<Location> {
    return this.#directory.locate(id, how)
  }

  /** Where an id stands, this node included. */
  async locate (id: string): Promise<{ status: 'local' } | Location> {
    return this.#store.has(id) ? { status: 'local' } : this.#directory.locate(id)
  }

  nodes (): Promise<NodeStatus[]> {
    return this.#directory.nodes()
  }

  list (page: { cursor?: string | undefined, limit: number }): Promise<{ sessions: SessionRecord[], cursor?: string }> {
    return this.#directory.list(page)
  }

  /** A close that was asked for, wherever the session lives. */
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

  shutdown (bound: number): Promise<void> {
    this.#stopReaper()
    return this.#departures.shutdown(bound)
  }
}
