import type { Principal } from '../security/principal.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { StreamableHttpTransport } from '../transport/transport.ts'
import type { NewRecord } from './directory.ts'

/** A live MCP session in this process, as the application sees it. */
export interface McpSession {
  readonly id: string
  /** What `createServer` returned for it. */
  readonly server: McpServerLike
  /** Who opened it; undefined for an anonymous client. */
  readonly principal: Principal | undefined
  /** The negotiated protocol version, `2025-11-25` for example. */
  readonly protocolVersion: string
  readonly clientInfo: { name: string, version: string }
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  readonly lastSeenAt: number
  /** Open SSE streams of all kinds. */
  readonly streams: number
  /** A call is in flight. */
  readonly busy: boolean
}

/** One session: its transport, its server, and whose it is. */
export class LocalSession implements McpSession {
  readonly id: string
  readonly transport: StreamableHttpTransport
  readonly server: McpServerLike
  readonly principal: Principal | undefined
  readonly principalKey: string | undefined
  readonly clientInfo: { name: string, version: string }
  readonly createdAt = Date.now()
  /** The client came back after initialize. */
  used = false
  /** Last use, on the monotonic clock: a step of the system's clock ends no session. */
  seen = performance.now()

  constructor (from: Pick<LocalSession, 'id' | 'transport' | 'server' | 'principal' | 'principalKey' | 'clientInfo'>) {
    this.id = from.id
    this.transport = from.transport
    this.server = from.server
    this.principal = from.principal
    this.principalKey = from.principalKey
    this.clientInfo = from.clientInfo
  }

  get protocolVersion (): string { return this.transport.protocolVersion }
  get streams (): number { return this.transport.streams }
  get busy (): boolean { return this.transport.busy }
  get lastSeenAt (): number { return Math.round(Date.now() - (performance.now() - this.seen)) }

  record (): NewRecord {
    const { id, createdAt, protocolVersion, clientInfo, principalKey: principal } = this
    return { id, createdAt, protocolVersion, clientInfo, principal }
  }
}
