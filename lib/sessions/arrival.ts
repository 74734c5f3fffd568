import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { SessionRecord } from '../directory/record.ts'
import { principalKey } from '../security/principal.ts'
import type { Principal } from '../security/principal.ts'
import { sessionDigest, shortId } from '../session-id.ts'
import type { MessageExtra } from '../transport/extra.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { Departures } from './departure.ts'
import type { Lease } from './lease.ts'
import type { Ownership } from './ownership.ts'
import type { ServerBuilder } from './server-builder.ts'
import { LocalSession } from './session.ts'
import type { SessionStore } from './store.ts'

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

/** The request that wants the session, and who sent it. */
export interface Wanted {
  request: FastifyRequest
  principal: Principal | undefined
  extra: MessageExtra
}

export interface ArrivalsParts {
  node: NodeIdentity
  store: SessionStore
  directory: Pick<SessionDirectory, 'changed'>
  builder: ServerBuilder
  ownership: Pick<Ownership, 'callbacks'>
  departures: Pick<Departures, 'finish' | 'shuttingDown'>
  lease: Pick<Lease, 'holds'> | undefined
  onAdopt: ((session: AdoptedSession) => unknown) | undefined
  log: FastifyBaseLogger
}

/** Makes sessions of records that this node has claimed. */
export class Arrivals {
  /** Sessions that were adopted. */
  count = 0
  readonly #parts: ArrivalsParts
  readonly #arriving = new Map<string, Arrival>()

  constructor (parts: ArrivalsParts) {
    this.#parts = parts
  }

  get (id: string): Arrival | undefined { return this.#arriving.get(id) }
  /** The id of a session that is being moved here, by its digest. */
  idOf (digest: string): string | undefined { return [...this.#arriving.keys()].find(id => sessionDigest(id) === digest) }

  /** Takes a place for a session that moves here, before its record is claimed; undefined when there is none. */
  expect ({ id, principal }: SessionRecord): Arrival | undefined {
    const { node, store } = this.#parts
    if (!store.reserveMoved(principal)) return undefined
    const arrival = { epoch: node.epoch, unwanted: false }
    this.#arriving.set(id, arrival)
    return arrival
  }

  /** It has come, or will not: then its place is given back. */
  arrived ({ id, principal }: SessionRecord, here: boolean): void {
    this.#arriving.delete(id)
    if (!here) this.#parts.store.unreserve(principal)
  }

  /** Somebody asked for the end of a session that may be on its way here. */
  callOff (id: string): void {
    const arrival = this.#arriving.get(id)
    if (arrival !== undefined) arrival.unwanted = true
  }

  /**
   * Makes a session of a claimed record, in its reserved place: a new server is
   * told what the client told the lost one. Undefined: look again, its end was asked for meanwhile, or the claim is old.
   * @throws when it cannot be; the record and the place are the caller's to give back.
   */
  async adopt (record: SessionRecord, arrival: Arrival, { request, principal, extra }: Wanted): Promise<LocalSession | undefined> {
    const { builder, ownership, lease, onAdopt } = this.#parts
    const { id, replay, protocolVersion, clientInfo, createdAt, state } = record
    let session: LocalSession | undefined
    const transport = builder.transport({
      sessionId: id,
      ...ownership.callbacks(() => session)
    })
    let closed = false
    // Before the server connects: the SDK keeps what it finds, and adds its own.
    transport.onclose = () => {
      closed = true
      if (session !== undefined) this.#parts.departures.finish(session, 'server_closed')
    }
    const server = await builder.server(transport, request, principal)
    try {
      // Paused since the claim: the session, and its events, may be somebody else's by now.
      if (lease?.holds(arrival.epoch) === false) return undefined
      // Made up for before the next event is stored.
      await transport.takeOver().catch(err => this.#parts.log.warn({ err, session: shortId(id) }, 'the events of an adopted session could not be taken over yet'))
      await transport.replay(replay!, protocolVersion, extra)
      const adopted = new LocalSession({
        id,
        transport,
        server,
        principal,
        principalKey: principalKey(principal),
        clientInfo,
        createdAt,
        state,
        initialize: replay!.initialize,
        changed: this.#changed
      })
      adopted.epoch = arrival.epoch
      adopted.used = true
      await onAdopt?.({ sessionId: id, server, record, state: adopted.state })
      if (this.#parts.departures.shuttingDown) throw new Error('this node is shutting down')
      if (closed) throw new Error('the server closed its connection')
      if (arrival.unwanted) return undefined
      session = adopted
      this.#parts.store.add(adopted)
      this.count++
      return adopted
    } finally {
      if (session === undefined) {
        await transport.close()
        await builder.close(id, server)
      }
    }
  }

  readonly #changed = (id: string): void => { this.#parts.directory.changed(id) }
}
