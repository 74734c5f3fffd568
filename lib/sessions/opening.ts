import type { FastifyRequest } from 'fastify'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { Exchange } from '../http/exchange.ts'
import { principalKey } from '../security/principal.ts'
import type { Principal } from '../security/principal.ts'
import { newSessionId } from '../session-id.ts'
import type { MessageExtra } from '../transport/extra.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { JsonRpcRequest } from '../transport/messages.ts'
import { initializeForReplay } from '../transport/replay.ts'
import type { Departures } from './departure.ts'
import type { Ownership } from './ownership.ts'
import type { ServerBuilder } from './server-builder.ts'
import { LocalSession } from './session.ts'
import type { Full, SessionStore } from './store.ts'

/** An initialize request: who sent it, and how it is answered. */
export interface Initialize {
  request: FastifyRequest
  message: JsonRpcRequest
  principal: Principal | undefined
  exchange: Exchange
  extra: MessageExtra
  /** Gets the session's id before the answer's headers are sent. */
  onOpened: (id: string) => void
}

export interface OpeningsParts {
  node: NodeIdentity
  store: SessionStore
  directory: Pick<SessionDirectory, 'add' | 'changed'>
  builder: ServerBuilder
  ownership: Pick<Ownership, 'callbacks'>
  departures: Pick<Departures, 'finish' | 'shuttingDown' | 'state'>
  /** With `orphan: 'adopt'`: the record says what an adopter has to repeat to its server. */
  adoptable: boolean
}

/** Sessions that begin on this node: makes them of initialize requests. */
export class Openings {
  /** Sessions opened since the process started. */
  count = 0
  readonly #parts: OpeningsParts

  constructor (parts: OpeningsParts) {
    this.#parts = parts
  }

  /**
   * Makes a session of an initialize request and answers it. Says what is in
   * the way instead, if a cap or this node's end is; the caller answers then.
   * @throws ServerFailedError when createServer or the server's connect fails.
   */
  async open ({ request, message, principal, exchange, extra, onOpened }: Initialize): Promise<Full | 'node_closing' | undefined> {
    const { node, store, builder, ownership } = this.#parts
    const key = principalKey(principal)
    const full = store.reserve(key)
    if (full !== undefined) return full
    const id = newSessionId(node.tag)
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
          transport,
          server,
          principal,
          principalKey: key,
          clientInfo: { name, version },
          initialize: this.#parts.adoptable ? initializeForReplay(message.params) : undefined,
          changed: this.#changed
        })
        this.#parts.store.add(session)
        this.count++
        onOpened(id)
        await this.#parts.directory.add(session.record())
      },
      onInitializeFailed: () => {
        this.#parts.store.unreserve(key)
        this.#parts.builder.dispose(id, server)
      },
      ...ownership.callbacks(() => session)
    })
    transport.onclose = () => { if (session !== undefined) this.#parts.departures.finish(session, 'server_closed') }
    try {
      server = await builder.server(transport, request, principal)
    } catch (error) {
      store.unreserve(key)
      throw error
    }
    const { shuttingDown, state } = this.#parts.departures
    // The node has ended while the server was made: a session that opened now would outlive it, its record with it.
    if (shuttingDown || state === 'superseded') {
      store.unreserve(key)
      builder.dispose(id, server)
      return 'node_closing'
    }
    transport.post([message], false, exchange, extra)
    return undefined
  }

  readonly #changed = (id: string): void => { this.#parts.directory.changed(id) }
}
