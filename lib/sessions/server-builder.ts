import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { ServerFailedError } from '../errors.ts'
import type { Principal } from '../security/principal.ts'
import { shortId } from '../session-id.ts'
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
  createServer: (session: { sessionId: string, request: FastifyRequest, principal: Principal | undefined, readonly log: FastifyBaseLogger }) => McpServerLike | Promise<McpServerLike>
  makeTransport: (events: TransportEvents) => StreamableHttpTransport
  log: FastifyBaseLogger
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

  /** @throws ServerFailedError when createServer or the server's connect fails. */
  async server (transport: StreamableHttpTransport, request: FastifyRequest, principal: Principal | undefined): Promise<McpServerLike> {
    const { createServer, log } = this.#parts
    const { sessionId } = transport
    try {
      const server = await createServer({
        sessionId,
        request,
        principal,
        get log () { return log.child({ mcpSession: shortId(sessionId) }) }
      })
      await server.connect(transport)
      return server
    } catch (error) {
      throw new ServerFailedError(error instanceof Error ? error.message : String(error), { cause: error })
    }
  }

  /** Never throws. */
  async close (id: string, server: McpServerLike): Promise<void> {
    try {
      await server.close()
    } catch (error) {
      this.#parts.log.warn({ err: error, session: shortId(id) }, 'closing an MCP server failed')
    }
  }
}
