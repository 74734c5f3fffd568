import type { FastifyBaseLogger } from 'fastify'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { SessionRecord } from '../directory/record.ts'
import { sessionDigest, sessionName } from '../session-id.ts'
import type { Departures } from './departure.ts'
import type { Incoming } from './incoming.ts'
import type { Lease } from './lease.ts'
import type { Ownership } from './ownership.ts'
import { endpointFor } from './endpoint.ts'
import type { Endpoint, Endpoints } from './endpoint.ts'
import { LocalSession } from './session.ts'
import type { SessionStore } from './store.ts'

/** A session that is being moved here. */
export interface Arrival {
  readonly endpoint: Endpoint
  /** This node's epoch before the record was claimed. Should the node have a later one by now, its lease lapsed in between, and the session asks whose it is. */
  readonly epoch: string
  /** Somebody asked for its end meanwhile, or it took too long: it is dropped as soon as it is made. */
  unwanted: boolean
}

interface ArrivalsParts {
  node: NodeIdentity
  store: SessionStore
  directory: Pick<SessionDirectory, 'changed'>
  endpoints: Endpoints
  ownership: Pick<Ownership, 'callbacks'>
  departures: Pick<Departures, 'finish' | 'shuttingDown' | 'state'>
  /** With `orphan: 'adopt'`, without which nothing arrives. */
  lease: Pick<Lease, 'holds'> | undefined
  log: FastifyBaseLogger
}

/**
 * Sessions that move to this node when theirs is gone, or has given them up.
 * Whoever adopts one takes a place for it (`expect`), claims its record, has the
 * session made (`adopt`), and says what came of it (`arrived`).
 */
export class Arrivals {
  readonly #parts: ArrivalsParts
  /** By session id, from `expect` to `arrived`. */
  readonly #arriving = new Map<string, Arrival>()

  constructor (parts: ArrivalsParts) {
    this.#parts = parts
  }

  /** A session that is being moved here. */
  get (id: string): Arrival | undefined { return this.#arriving.get(id) }
  /** The id of a session that is being moved here, by its digest (see session-id.ts). */
  idOf (digest: string): string | undefined { return [...this.#arriving.keys()].find(id => sessionDigest(id) === digest) }

  /** Takes a place for a session that is to move here, before its record is claimed; undefined when this node is full, or lacks its endpoint. */
  expect ({ id, principal }: SessionRecord): Arrival | undefined {
    const { node, endpoints } = this.#parts
    const endpoint = endpointFor(endpoints, principal)
    if (endpoint === undefined || !endpoint.places.reserveMoved(principal)) return undefined
    const arrival = { endpoint, epoch: node.epoch, unwanted: false }
    this.#arriving.set(id, arrival)
    return arrival
  }

  /** It is `here`, or will not come: then its place is given back. */
  arrived ({ id, principal }: SessionRecord, here: boolean): void {
    const arrival = this.#arriving.get(id)
    this.#arriving.delete(id)
    if (!here) arrival?.endpoint.places.unreserve(principal)
  }

  /** A session is to end; if it is being moved here, it need not come. */
  callOff (id: string): void {
    const arrival = this.#arriving.get(id)
    if (arrival !== undefined) arrival.unwanted = true
  }

  /**
   * Makes a session of a claimed record, in its reserved place: a new server is
   * told what the client told the lost one. Undefined, and the caller should look for the session again: its end was
   * asked for meanwhile, or the claim is older than a lapse of this node's lease.
   * @throws when it cannot be; the record and the place are the caller's to give back.
   */
  async adopt (record: SessionRecord, arrival: Arrival, incoming: Incoming): Promise<LocalSession | undefined> {
    const { ownership, lease } = this.#parts
    const { endpoint } = arrival
    const { builder, onAdopt } = endpoint
    const { id, replay, protocolVersion, clientInfo, createdAt, state } = record
    const { request, caller: { principal, key }, extra } = incoming
    let session: LocalSession | undefined
    const transport = builder.transport({
      sessionId: id,
      ...ownership.callbacks(() => session)
    })
    let closed = false
    // Set before the server connects: the SDK calls the handler that it finds here, then its own.
    transport.onclose = () => {
      closed = true
      if (session !== undefined) this.#parts.departures.finish(session, 'server_closed')
    }
    const server = await builder.server(transport, request, principal)
    try {
      // This process was paused since the claim, and its lease has lapsed: the session, and its events, may be somebody else's by now.
      if (lease?.holds(arrival.epoch) === false) return undefined
      // A failure is made up for before the next event is stored (see SessionEvents).
      await transport.takeOver().catch(err => this.#parts.log.warn({ err, session: sessionName(id) }, 'the events of an adopted session could not be taken over yet'))
      await transport.replay(replay!, protocolVersion, extra)
      const adopted = new LocalSession({
        id,
        endpoint,
        transport,
        server,
        principal,
        principalKey: key,
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
      if (this.#parts.departures.state === 'superseded') throw new Error('another process has the identity of this node')
      if (closed) throw new Error('the server closed its connection')
      if (arrival.unwanted) return undefined
      session = adopted
      this.#parts.store.add(adopted)
      endpoint.counters.adopted++
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
