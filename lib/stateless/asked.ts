import type { EventStream, Exchange } from '../http/exchange.ts'
import type { JsonRpcRequest } from '../transport/messages.ts'
import type { RequestExtra } from './extra.ts'

/** Why a request that is well-formed is not answered by a server, as the catalogue of refusals names it. */
export type Refused = 'header_mismatch' | 'params_invalid' | 'method_unknown' | 'capability_missing' | 'state_invalid' | 'state_unavailable' | 'call_limit' | 'scope_insufficient' | 'auth_failed' | 'internal' | 'node_closing'

/** What a refusal says besides. */
export interface Details {
  detail?: string
  data?: Record<string, unknown>
  log?: Record<string, unknown>
  /** The WWW-Authenticate field. */
  challenge?: string
}

/** A request of a client as the routes hand it in: its envelope and header fields are in order, and it is known who sent it. */
export interface Asked {
  readonly message: JsonRpcRequest
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly exchange: Exchange
  /** What the SDK's handlers are told with it. */
  readonly extra: RequestExtra
  /** Who sent it, as one comparable string; undefined for an anonymous caller. */
  readonly principalKey: string | undefined
  /** The same for those whose requests in flight are limited; undefined for anonymous callers of whatever endpoint. */
  readonly limitedBy: string | undefined
  /** What the application's createServer is told of it. */
  readonly told: unknown
  /** Counts it among what is under way until its answer has ended; then calls back, once. */
  follow: (ended: () => void) => void
  /** The parameters as they came, whatever a handler did with them since. */
  params: () => Readonly<Record<string, unknown>>
  /** Answers that it is not served. An answer that has begun carries the error in its stream. */
  refuse: (reason: Refused, details: Details, stream?: EventStream) => void
  /** Answers that no server could be made. */
  failed: (error: unknown) => void
}
