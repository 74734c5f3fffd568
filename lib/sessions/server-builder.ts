import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { ServerFailedError } from '../errors.ts'
import type { Principal } from '../security/principal.ts'
import { sessionName } from '../session-id.ts'
import { checkMade } from '../transport/made-server.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { StreamableHttpTransport } from '../transport/transport.ts'

/** What a session's transport calls back. */
export interface TransportEvents {
  sessionId: string
  /** The server accepted initialize; the answer waits for this. */
  onInitialized?: () => Promise<void>
  /** The server answered initialize with an error: there is no session. */
  onInitializeFailed?: () => void
  /** Undefined: the session is ours beyond doubt. Else whether it is, once that is known. Left out where no other node may own it. */
  secured?: () => Promise<boolean> | undefined
  /** The log level or a subscription changed. Left out where nobody adopts. */
  remember?: () => void
}

export interface BuilderParts {
  createServer: (session: { era: 'sessions', sessionId: string, request: FastifyRequest, principal: Principal | undefined, readonly log: FastifyBaseLogger }) => McpServerLike | Promise<McpServerLike>
  makeTransport: (events: TransportEvents) => StreamableHttpTransport
  log: FastifyBaseLogger
  /** Milliseconds for createServer and the server's connect together. Default 30000, as for an adoption. */
  serverBound?: number
}

const BOUND = 30_000

/** One call of createServer. */
interface Attempt {
  /** Nobody waits for it any more. */
  over: boolean
  server?: McpServerLike
}

/** Makes the two halves of a session: the application's server and the transport it is connected to. */
export class ServerBuilder {
  readonly #parts: BuilderParts

  constructor (parts: BuilderParts) {
    this.#parts = parts
  }

  transport (events: TransportEvents): StreamableHttpTransport {
    return this.#parts.makeTransport(events)
  }

  /**
   * A server that is connected to the transport. One that comes too late is closed.
   * @throws ServerFailedError when createServer or the server's connect fails, or both together take too long.
   */
  async server (transport: StreamableHttpTransport, request: FastifyRequest, principal: Principal | undefined): Promise<McpServerLike> {
    const { serverBound = BOUND } = this.#parts
    const attempt: Attempt = { over: false }
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        attempt.over = true
        if (attempt.server !== undefined) this.dispose(transport.sessionId, attempt.server)
        reject(new Error(`createServer and the server's connect took longer than ${serverBound} ms`))
      }, serverBound).unref()
    })
    try {
      return await Promise.race([this.#make(transport, request, principal, attempt), late])
    } catch (error) {
      throw new ServerFailedError(error instanceof Error ? error.message : String(error), { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  async #make (transport: StreamableHttpTransport, request: FastifyRequest, principal: Principal | undefined, attempt: Attempt): Promise<McpServerLike> {
    const { createServer, log } = this.#parts
    const { sessionId } = transport
    try {
      const server = await createServer({
        era: 'sessions',
        sessionId,
        request,
        principal,
        get log () { return log.child({ mcpSession: sessionName(sessionId) }) }
      })
      checkMade(server)
      attempt.server = server
      if (!attempt.over) await server.connect(transport)
      if (attempt.over) this.dispose(sessionId, server)
      return server
    } catch (error) {
      if (attempt.server !== undefined) this.dispose(sessionId, attempt.server)
      if (attempt.over) log.warn({ err: error, session: sessionName(sessionId) }, 'an MCP server that nobody waits for any more could not be made')
      throw error
    }
  }

  /** Closes a server that is not needed, without a wait: no session came of it. */
  dispose (id: string, server: McpServerLike): void {
    this.close(id, server).catch(error => this.#parts.log.error({ err: error }, 'closing an MCP server failed'))
  }

  /** Never throws. */
  async close (id: string, server: McpServerLike): Promise<void> {
    try {
      await server.close()
    } catch (error) {
      this.#parts.log.warn({ err: error, session: sessionName(id) }, 'closing an MCP server failed')
    }
  }
}
