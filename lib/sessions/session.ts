import { StateError } from '../errors.ts'
import type { Principal } from '../security/principal.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { StreamableHttpTransport } from '../transport/transport.ts'
import type { NewRecord } from '../directory/record.ts'
import type { Endpoint } from './endpoint.ts'

/** A live MCP session in this process, as the application sees it. */
export interface McpSession {
  /** Whoever knows it can use an anonymous session: do not log it whole. */
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
  /** Milliseconds since the Unix epoch, of the client's last request. */
  readonly lastSeenAt: number
  /** Open SSE streams of all kinds. */
  readonly streams: number
  /** A call is in flight. */
  readonly busy: boolean
  /**
   * A small JSON value of the application's that survives this process: with
   * `orphan: 'adopt'` the record carries it to the node that adopts the
   * session, which hands it to `onAdopt`. Set it to change it: what is read is a
   * copy. Written at once, then at most once a second. At most 8 KiB as JSON.
   * @throws MCP_STICKY_ERR_STATE
   */
  state: unknown
}

/** Bytes of JSON that `state` may have. */
const STATE_LIMIT = 8 * 1024

/** What a session is made of. */
interface SessionParts {
  id: string
  endpoint: Endpoint
  transport: StreamableHttpTransport
  server: McpServerLike
  principal: Principal | undefined
  principalKey: string | undefined
  clientInfo: { name: string, version: string }
  /** Params of initialize as JSON, where others may adopt the session. */
  initialize?: string | undefined
  /** `state` as JSON. */
  state?: string | undefined
  /** Milliseconds since the Unix epoch. Default now. */
  createdAt?: number | undefined
  /** What the record says has changed. */
  changed: (id: string) => void
}

/** One session: its transport, its server, and whose it is. */
export class LocalSession implements McpSession {
  readonly id: string
  readonly endpoint: Endpoint
  readonly transport: StreamableHttpTransport
  readonly server: McpServerLike
  readonly principal: Principal | undefined
  /** Whom it answers to (see endpoint-name.ts). */
  readonly principalKey: string | undefined
  readonly clientInfo: { name: string, version: string }
  readonly createdAt: number
  /** The epoch that the record was last known to name; '' before it is written. */
  epoch = ''
  /** The client came back after initialize. */
  used = false
  /** Last use, on the monotonic clock: a step of the system's clock ends no session. */
  seen = performance.now()
  readonly #initialize: string | undefined
  readonly #changed: (id: string) => void
  #state: string | undefined

  constructor (from: SessionParts) {
    this.id = from.id
    this.endpoint = from.endpoint
    this.transport = from.transport
    this.server = from.server
    this.principal = from.principal
    this.principalKey = from.principalKey
    this.clientInfo = from.clientInfo
    this.createdAt = from.createdAt ?? Date.now()
    this.#initialize = from.initialize
    this.#state = from.state
    this.#changed = from.changed
  }

  get protocolVersion (): string { return this.transport.protocolVersion }
  get streams (): number { return this.transport.streams }
  get busy (): boolean { return this.transport.busy }
  get lastSeenAt (): number { return Math.round(Date.now() - (performance.now() - this.seen)) }

  get state (): unknown {
    return this.#state === undefined ? undefined : JSON.parse(this.#state)
  }

  set state (value: unknown) {
    const json = asJson(value)
    if (json === this.#state) return
    this.#state = json
    this.#changed(this.id)
  }

  record (): NewRecord {
    const { id, createdAt, protocolVersion, clientInfo, principalKey: principal } = this
    const replay = this.#initialize === undefined ? undefined : { initialize: this.#initialize, ...this.transport.remembered }
    return { id, createdAt, protocolVersion, clientInfo, principal, replay, state: this.#state }
  }
}

function asJson (value: unknown): string | undefined {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    throw new StateError(`must be a JSON value: ${(error as Error).message}`)
  }
  if (json === undefined && value !== undefined) throw new StateError('must be a JSON value')
  if (json !== undefined && Buffer.byteLength(json) > STATE_LIMIT) throw new StateError(`must not exceed ${STATE_LIMIT} bytes as JSON`)
  return json
}
