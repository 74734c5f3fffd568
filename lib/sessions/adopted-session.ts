import type { SessionRecord } from '../directory/record.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'

/** What the application is told about a session that this node has taken over. `Server`: what its `createServer` returns. */
export interface AdoptedSession<Server extends McpServerLike = McpServerLike> {
  sessionId: string
  /** What `createServer` returned; the client's initialize, log level and subscriptions have been replayed into it. */
  server: Server
  /** The record as the lost node left it. */
  record: SessionRecord
  /** The last `session.state` that was set. */
  state: unknown
}
