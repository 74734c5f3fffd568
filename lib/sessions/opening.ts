import type { FastifyRequest } from 'fastify'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { Lives } from '../events/lives.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Caller } from '../security/caller.ts'
import { newSessionId } from '../session-id.ts'
import type { MessageExtra } from '../transport/extra.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { JsonRpcRequest } from '../transport/messages.ts'
import { initializeForReplay } from '../transport/replay.ts'
import type { Departures } from './departure.ts'
import type { Endpoint } from './endpoint.ts'
import type { Ownership } from './ownership.ts'
import { LocalSession } from './session.ts'
import type { Full } from './places.ts'
import type { SessionStore } from './store.ts'

/** An initialize request: who sent it, and how it is answered. */
export interface Initialize {
  request: FastifyRequest
  message: JsonRpcRequest
  caller: Pick<Caller, 'principal' | 'key'>
  exchange: Exchange
  extra: MessageExtra
  /** Gets the session's id before the answer's headers are sent. */
  onOpened: (id: string) => void
}

interface OpeningsParts {
  node: NodeIdentity
  store: SessionStore
  directory: Pick<SessionDirectory, 'add' | 'changed'>
  ownership: Pick<Ownership, 'callbacks'>
  departures: Pick<Departures, 'finish' | 'shuttingDown' | 'state'>
  /** With `orphan: 'adopt'`: the record says what an adopter has to repeat to its server. */
  adoptable: boolean
  lives: Lives
}

/** Sessions that begin on this node: makes them of initialize requests. */
export class Openings {
  readonly #parts: OpeningsParts

  constructor (parts: OpeningsParts) {
    this.#parts = parts
  }

  /**
   * Makes a session of an endpoint of an initialize request and answers it. Says what is in
   * the way instead, if a cap or this node's end is; the caller answers then.
   * @throws ServerFailedError when createServer or the server's connect fails.
   */
  async open (endpoint: Endpoint, { request, message, caller: { principal, key }, exchange, extra, onOpened }: Initialize): Promise<Full | 'node_closing' | undefined> {
    const { node, ownership } = this.#parts
    const { builder, places, counters } = endpoint
    const full = places.reserve(key)
    if (full !== undefined) return full
    const id = newSessionId(node.minting[counters.opened % node.minting.length] ?? node.tag)
    let server: McpServerLike
    let session: LocalSession | undefined
    // The transport keeps its callbacks for life, and through them whatever they
    // name. What only initialize needs is let go of when it is over, or each
    // session would hold its first request.
    let opening: { message: JsonRpcRequest, onOpened: (id: string) => void } | undefined = { message, onOpened }
    const transport = builder.transport({
      sessionId: id,
      onInitialized: async () => {
        const { message, onOpened } = opening!
        opening = undefined
        const { name, version } = message.params!['clientInfo'] as { name: string, version: string }
        session = new LocalSession({
          id,
          endpoint,
          transport,
          server,
          principal,
          principalKey: key,
          clientInfo: { name, version },
          initialize: this.#parts.adoptable ? initializeForReplay(message.params) : undefined,
          changed: this.#changed
        })
        this.#parts.store.add(session)
        counters.opened++
        this.#parts.lives.opened({ id, endpoint: endpoint.name, protocolVersion: transport.protocolVersion, clientInfo: session.clientInfo })
        onOpened(id)
        await this.#parts.directory.add(session.record())
      },
      onInitializeFailed: () => {
        places.unreserve(key)
        builder.dispose(id, server)
      },
      ...ownership.callbacks(() => session)
    })
    transport.onclose = () => { if (session !== undefined) this.#parts.departures.finish(session, 'server_closed') }
    try {
      server = await builder.server(transport, request, principal)
    } catch (error) {
      places.unreserve(key)
      throw error
    }
    const { shuttingDown, state } = this.#parts.departures
    // The node has ended while the server was made: a session that opened now would outlive it, its record with it.
    if (shuttingDown || state === 'superseded') {
      places.unreserve(key)
      builder.dispose(id, server)
      return 'node_closing'
    }
    transport.post([message], false, exchange, extra)
    return undefined
  }

  readonly #changed = (id: string): void => { this.#parts.directory.changed(id) }
}
