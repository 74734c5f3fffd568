import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { ServerFailedError } from '../errors.ts'
import { newSessionId, shortId } from '../session-id.ts'
import { principalKey } from '../security/principal.ts'
import type { Principal } from '../security/principal.ts'
import type { Exchange } from '../transport/exchange.ts'
import type { MessageExtra } from '../transport/extra.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { JsonRpcRequest } from '../transport/messages.ts'
import type { StreamableHttpTransport } from '../transport/transport.ts'
import type { DirectoryOwner, Location, NewRecord, NodeIdentity, NodeStatus, SessionDirectory, SessionRecord } from './directory.ts'
import { startReaper } from './reaper.ts'
import type { Reaped } from './reaper.ts'
import { LocalSession } from './session.ts'
import type { Full, SessionStore } from './store.ts'
import { within } from './within.ts'

/** Why a session ended. */
export type Ended = Reaped
  /** DELETE, or `close` of this node. */
  | 'requested'
  /** A close that was asked for on another node. */
  | 'requested_elsewhere'
  /** The server object closed its connection. */
  | 'server_closed'
  /** The directory names another owner. */
  | 'taken'
  /** This node shut down. */
  | 'shutdown'

/** What a session's transport calls back. */
export interface TransportEvents {
  sessionId: string
  /** The server accepted initialize; the answer waits for this. */
  onInitialized: () => Promise<void>
  /** The server answered initialize with an error: there is no session. */
  onInitializeFailed: () => void
}

export interface SessionsParts {
  node: NodeIdentity
  store: SessionStore
  directory: SessionDirectory
  createServer: (session: { sessionId: string, request: FastifyRequest, principal: Principal | undefined, readonly log: FastifyBaseLogger }) => McpServerLike | Promise<McpServerLike>
  makeTransport: (events: TransportEvents) => StreamableHttpTransport
  limits: { idleTimeout: number, firstUseTimeout: number }
  log: FastifyBaseLogger
}

/** Everything a session goes through on this node, from initialize to its end. */
export class Sessions implements DirectoryOwner {
  readonly node: NodeIdentity
  readonly opened = { count: 0 }
  readonly ended: Record<Ended, number> = {
    requested: 0, requested_elsewhere: 0, server_closed: 0, taken: 0, shutdown: 0, idle: 0, never_used: 0
  }

  /**
   * `draining`: out of the pool, still taking what arrives. `closing`: no new
   * sessions. `superseded`: nothing is served, another process has this id.
   */
  state: 'open' | 'draining' | 'closing' | 'superseded' = 'open'
  readonly #parts: SessionsParts
  readonly #store: SessionStore
  readonly #directory: SessionDirectory
  #stopReaper = (): void => {}
  #drained: Promise<void> | undefined
  #ended: Promise<void> | undefined

  constructor (parts: SessionsParts) {
    this.#parts = parts
    this.node = parts.node
    this.#store = parts.store
    this.#directory = parts.directory
  }

  get size (): number { return this.#store.size }
  get draining (): boolean { return this.state !== 'open' }
  get (id: string): LocalSession | undefined { return this.#store.get(id) }
  has (id: string): boolean { return this.#store.has(id) }
  ids (): Iterable<string> { return this.#store.ids() }
  record (id: string): NewRecord | undefined { return this.#store.get(id)?.record() }

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

  /**
   * Makes a session of an initialize request and answers it. Says what is in
   * the way instead, if a cap or this node's end is. `onOpened` gets the id before the answer's
   * headers are sent.
   * @throws ServerFailedError when createServer or the server's connect fails.
   */
  async open ({ request, message, principal, exchange, extra, onOpened }: {
    request: FastifyRequest
    message: JsonRpcRequest
    principal: Principal | undefined
    exchange: Exchange
    extra: MessageExtra
    onOpened: (id: string) => void
  }): Promise<Full | 'node_closing' | undefined> {
    const key = principalKey(principal)
    const full = this.#store.reserve(key)
    if (full !== undefined) return full
    const id = newSessionId(this.node.tag)
    let server: McpServerLike
    let session: LocalSession | undefined
    // The transport keeps its callbacks for life, and through them whatever
    // they name: let go of, or each session would hold its first request.
    let opening: { message: JsonRpcRequest, onOpened: (id: string) => void } | undefined = { message, onOpened }
    const transport = this.#parts.makeTransport({
      sessionId: id,
      onInitialized: async () => {
        const { message, onOpened } = opening!
        opening = undefined
        const { name, version } = message.params!['clientInfo'] as { name: string, version: string }
        session = new LocalSession({ id, transport, server, principal, principalKey: key, clientInfo: { name, version } })
        this.#store.add(session)
        this.opened.count++
        onOpened(id)
        await this.#directory.add(session.record())
      },
      onInitializeFailed: () => {
        this.#store.unreserve(key)
        this.#closeServer(id, server)
      }
    })
    transport.onclose = () => { if (session !== undefined) this.finish(session, 'server_closed') }
    try {
      server = await this.#createServer(id, request, principal)
      await server.connect(transport)
    } catch (error) {
      this.#store.unreserve(key)
      throw new ServerFailedError(error instanceof Error ? error.message : String(error), { cause: error })
    }
    // A session that opened now would outlive its node, its record with it.
    if (this.#ended !== undefined || this.state === 'superseded') {
      this.#store.unreserve(key)
      this.#closeServer(id, server)
      return 'node_closing'
    }
    transport.post([message], false, exchange, extra)
    return undefined
  }

  /** Ends a local session. Whoever asked elsewhere has cleaned the record up already. */
  finish (session: LocalSession, why: Ended): void {
    if (!this.#store.delete(session)) return
    this.ended[why]++
    this.#parts.log.debug({ session: shortId(session.id), why }, 'mcp session ended')
    if (why !== 'requested_elsewhere' && why !== 'taken' && why !== 'shutdown') this.#directory.release(session.id)
    this.#close(session).catch(error => this.#parts.log.error({ err: error }, 'ending an mcp session failed'))
  }

  /** The close sets and the directory's answers arrive here. */
  end (id: string, why: 'closed' | 'taken'): void {
    const session = this.#store.get(id)
    if (session !== undefined) this.finish(session, why === 'closed' ? 'requested_elsewhere' : 'taken')
  }

  superseded (): void {
    this.state = 'superseded'
    this.#parts.log.error({ node: this.node.id }, 'another process claimed this node\'s id: this one stops serving; give each process its own node.id')
    for (const session of this.#store.values()) this.finish(session, 'taken')
  }

  /** Where an id stands for somebody whose session is not here. */
  locateElsewhere (id: string): Promise<Location> {
    return this.#directory.locate(id)
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
  async close (id: string, by: { principal: string | undefined } | 'any'): Promise<'removed' | 'unknown' | 'queued'> {
    const session = this.#store.get(id)
    const asked = session !== undefined && (by === 'any' || by.principal === session.principalKey)
    if (!asked) return this.#directory.remove(id, by)
    this.finish(session, 'requested')
    return 'removed'
  }

  /**
   * Takes this node out of service before it closes: leaves the pool, gives the
   * proxy `grace` milliseconds to see it, then takes no new sessions, and gives
   * calls in flight up to `timeout` milliseconds. Streams end last.
   */
  drain ({ grace, timeout }: { grace: number, timeout: number }): Promise<void> {
    this.#drained ??= this.#drain(grace, timeout)
    return this.#drained
  }

  async #drain (grace: number, timeout: number): Promise<void> {
    if (this.state === 'open') {
      this.state = 'draining'
      this.#directory.announce()
      this.#parts.log.info({ sessions: this.size }, 'mcp node is draining')
      if (grace > 0) await setTimeout(grace)
    }
    if (this.state === 'draining') this.state = 'closing'
    const until = performance.now() + timeout
    while (performance.now() < until && this.#busy()) await setTimeout(20)
    for (const session of this.#store.values()) session.transport.endStreams()
  }

  #busy (): boolean {
    for (const session of this.#store.values()) if (session.busy) return true
    return false
  }

  /**
   * Ends every session and cleans the directory, each within `bound`
   * milliseconds and neither waiting for the other: Redis is cleaned whatever
   * the local close does (ADR-0066). Called again, it returns the same promise.
   */
  shutdown (bound: number): Promise<void> {
    this.#ended ??= this.#shutdown(bound)
    return this.#ended
  }

  async #shutdown (bound: number): Promise<void> {
    this.#stopReaper()
    const sessions = [...this.#store.values()]
    const ids = sessions.map(session => session.id)
    const closed = sessions.map(session => {
      this.#store.delete(session)
      this.ended.shutdown++
      return this.#close(session)
    })
    const [left] = await Promise.all([
      this.#directory.stop(ids, bound),
      within(bound, Promise.all(closed))
    ])
    if (left > 0) this.#parts.log.warn({ left }, 'session records were left in the directory; they expire by themselves')
  }

  #createServer (id: string, request: FastifyRequest, principal: Principal | undefined): McpServerLike | Promise<McpServerLike> {
    const { createServer, log } = this.#parts
    return createServer({
      sessionId: id,
      request,
      principal,
      get log () { return log.child({ mcpSession: shortId(id) }) }
    })
  }

  async #close (session: LocalSession): Promise<void> {
    await session.transport.close()
    await this.#closeServer(session.id, session.server)
  }

  async #closeServer (id: string, server: McpServerLike): Promise<void> {
    try {
      await server.close()
    } catch (error) {
      this.#parts.log.warn({ err: error, session: shortId(id) }, 'closing an MCP server failed')
    }
  }
}
