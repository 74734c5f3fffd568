import type { Counting } from '../../counters.ts'
import type { Receiver } from '../../http/internal-paths.ts'
import type { RequestId } from '../../transport/messages.ts'
import { askedFor } from '../../events/asked-for.ts'
import type { Events, Level } from '../../events/events.ts'
import type { Incoming } from '../../sessions/incoming.ts'
import { sessionName } from '../../session-id.ts'
import { breakOff } from '../../http/client-response.ts'
import type { EventStream } from '../../http/exchange.ts'
import { eventFrame } from '../../http/frames.ts'

/**
 * Every refusal there is: HTTP status, JSON-RPC code, log level, and what the
 * client's developer should do about it. Status codes follow spec 2025-11-25,
 * Streamable HTTP; -32001 for an id without a session is the field's custom.
 */
const CATALOGUE = {
  not_acceptable: [406, -32000, 'info', 'Not Acceptable: the Accept header must list {detail}'],
  unsupported_media_type: [415, -32000, 'info', 'Unsupported Media Type: Content-Type must be application/json'],
  method_not_allowed: [405, -32000, 'info', 'Method Not Allowed: use POST, GET or DELETE'],
  body_too_large: [413, -32000, 'info', 'Payload Too Large: the body must not exceed {detail} bytes'],
  body_incomplete: [400, -32700, 'info', 'Parse error: the body does not match its Content-Length'],
  parse_error: [400, -32700, 'info', 'Parse error: the body is not valid JSON'],
  invalid_request: [400, -32600, 'info', 'Invalid Request: {detail}'],
  initialize_invalid: [400, -32602, 'info', 'Invalid params: {detail}'],
  already_initialized: [400, -32600, 'info', 'Invalid Request: the session is initialized already; leave out Mcp-Session-Id to open another'],
  batch_unsupported: [400, -32600, 'info', 'Invalid Request: {detail}'],
  request_id_in_use: [400, -32600, 'info', 'Invalid Request: id {detail} belongs to a request that is still in flight'],
  session_required: [400, -32000, 'info', 'Bad Request: the Mcp-Session-Id header is required; send initialize first'],
  sessions_only: [400, -32000, 'info', 'Bad Request: the Mcp-Session-Id header is required; send initialize first'],
  session_malformed: [400, -32000, 'info', 'Bad Request: Mcp-Session-Id must be sent once, in visible ASCII characters'],
  unsupported_protocol_version: [400, -32000, 'info', 'Bad Request: MCP-Protocol-Version must be one of {detail}'],
  header_mismatch: [400, -32020, 'info', 'Header mismatch: {detail}'],
  envelope_invalid: [400, -32602, 'info', 'Invalid params: {detail}'],
  version_unsupported: [400, -32022, 'info', 'Unsupported protocol version; this endpoint serves {detail} without sessions'],
  params_invalid: [400, -32602, 'info', 'Invalid params: {detail}'],
  method_unknown: [404, -32601, 'info', 'Method not found'],
  capability_missing: [400, -32021, 'info', 'Missing client capability: the request needs a capability that it does not declare in _meta'],
  state_invalid: [400, -32602, 'info', 'Invalid params: requestState was not given out for this request by this endpoint, or too long ago'],
  event_unknown: [400, -32000, 'info', 'Bad Request: Last-Event-ID names no event of this session; open a stream without it'],
  events_expired: [400, -32000, 'info', 'Bad Request: what followed the event of Last-Event-ID is no longer stored in full; open a stream without it'],
  headers_too_large: [431, -32000, 'info', 'Request Header Fields Too Large: the target and the header fields are together more than a node could pass on'],
  host_forbidden: [403, -32000, 'warn', 'Forbidden: this Host is not served'],
  origin_forbidden: [403, -32000, 'warn', 'Forbidden: this Origin is not served'],
  scope_insufficient: [403, -32000, 'info', 'Forbidden: this takes scopes that the caller\'s token does not have; WWW-Authenticate names them'],
  unknown: [404, -32001, 'info', 'Session not found: send initialize without Mcp-Session-Id to open one'],
  misrouted: [404, -32001, 'warn', 'Session not found on this node: it lives on node {detail}; the load balancer should send it there'],
  orphaned: [404, -32001, 'warn', 'Session not found: the node that held it is gone; send initialize without Mcp-Session-Id to open one'],
  not_owner: [421, -32001, 'info', 'Misdirected Request: this node does not hold the session; the node that forwarded looks once more'],
  principal_limit: [429, -32000, 'warn', 'Too Many Requests: this principal has as many sessions on this node as it may; end one'],
  call_limit: [429, -32000, 'warn', 'Too Many Requests: this principal has as many requests in flight on this node as it may'],
  internal: [500, -32603, 'error', 'Internal error'],
  auth_failed: [500, -32603, 'error', 'Internal error: it could not be found out who sent the request'],
  server_failed: [500, -32603, 'error', 'Internal error: the MCP server of the session could not be made'],
  node_full: [503, -32000, 'warn', 'Service Unavailable: this node has as many sessions as it may'],
  node_closing: [503, -32000, 'info', 'Service Unavailable: this node is shutting down'],
  node_superseded: [503, -32000, 'warn', 'Service Unavailable: another process has taken this node\'s place'],
  owner_unreachable: [503, -32000, 'warn', 'Service Unavailable: the node that holds the session does not answer; try again'],
  owner_lost: [503, -32000, 'warn', 'Service Unavailable: the node that held the session was lost in the middle of the request; whether it took effect is unknown'],
  adoption_failed: [503, -32000, 'warn', 'Service Unavailable: the session could not be taken over from the node that is gone; try again'],
  newer_format: [503, -32000, 'warn', 'Service Unavailable: the node that held the session is gone, and the session is for newer versions of this server, none of which can be reached; try again'],
  state_unavailable: [503, -32000, 'warn', 'Service Unavailable: the key for requestState is not known yet; try again'],
  directory_unavailable: [503, -32000, 'warn', 'Service Unavailable: the session directory cannot be reached; try again']
} as const satisfies Record<string, readonly [number, number, Level, string]>

/** The machine-readable `data.reason` of a refusal. */
export type Reason = keyof typeof CATALOGUE

interface RefusalDetails {
  /** HTTP status, where it is another than the catalogue's. */
  status?: number | undefined
  /** The id of the JSON-RPC request, where there is one to answer. */
  id?: RequestId | undefined
  /** The ids of a batch: each gets the error. */
  ids?: readonly RequestId[] | undefined
  /** Fills in the message. Never a host name, a url or a secret. */
  detail?: string | undefined
  /** Further members of `data`. */
  data?: Record<string, unknown> | undefined
  /** The event stream that has begun to answer: it carries the error, and ends. */
  stream?: EventStream | undefined
  /** Seconds, for the Retry-After header. */
  retryAfter?: number | undefined
  /** Further fields of the log line. */
  log?: Record<string, unknown> | undefined
}

/** Every reason that there is. */
export const REASONS = Object.keys(CATALOGUE) as Reason[]

interface RefuserParts {
  /** The endpoint's name. */
  endpoint: string
  counters: Counting<'refused'>
  events: Events
  /** Sets the receipt for another node, where nobody has yet. */
  receive?: Receiver | undefined
}

/**
 * Makes the function that answers refusals: a JSON-RPC error with
 * `data.reason`, one event with its log line, one count. An answer that has begun is broken off.
 */
export function refuser ({ endpoint, counters: { refused }, events, receive }: RefuserParts) {
  return function refuse (incoming: Pick<Incoming, 'reply' | 'message'>, reason: Reason, details: RefusalDetails = {}): void {
    const { reply } = incoming
    const [usual, code, level, text] = CATALOGUE[reason]
    const status = details.status ?? usual
    const message = text.replace('{detail}', () => details.detail ?? '')
    refused[reason]!++
    const sessionId = reply.request.headers['mcp-session-id']
    events.emit('request.refused', {
      endpoint,
      ...(typeof sessionId === 'string' && { session: sessionName(sessionId) }),
      reason,
      status,
      ...askedFor(incoming.message),
      durationMs: reply.elapsedTime
    }, { log: reply.log, level, text: `mcp request refused: ${message}`, besides: details.log })
    const error = { code, message, data: { reason, ...details.data } }
    if (details.stream !== undefined) {
      details.stream.write(eventFrame(JSON.stringify({ jsonrpc: '2.0', id: details.id ?? null, error })))
      return details.stream.end()
    }
    if (reply.sent) return breakOff(reply.raw)
    receive?.(reply.request.raw, reply.raw)
    if (details.retryAfter !== undefined) reply.header('retry-after', details.retryAfter)
    const answers = (details.ids ?? [details.id ?? null]).map(id => ({ jsonrpc: '2.0', id, error }))
    reply.code(status).type('application/json').send(JSON.stringify(details.ids === undefined ? answers[0] : answers))
  }
}

/** The SSE frames that end the answer to these requests, for an owner that was lost in the middle of it. */
export function ownerLost (ids: readonly RequestId[]): string {
  const [, code, , message] = CATALOGUE.owner_lost
  return ids.map(id => eventFrame(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, data: { reason: 'owner_lost' } } }))).join('')
}

export type Refuse = ReturnType<typeof refuser>
