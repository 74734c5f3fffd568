import type { EndReason } from '../counters.ts'

/** What all events say: which node it was. */
export interface OfNode {
  /** `node.id` of the node that says it. */
  readonly node: string
}

/** Of an endpoint (option `name`). */
export interface OfEndpoint extends OfNode {
  readonly endpoint: string
}

/** Of one session. */
export interface OfSession extends OfEndpoint {
  /** The session's public name: 12 base64url characters of sha256 of its id. The id cannot be told from it. */
  readonly session: string
}

/** How a call ended. `tool_error`: the tool's result has `isError`. `ended`: its session was over, or its client had left. */
export type Outcome = 'result' | 'error' | 'tool_error' | 'ended'

/**
 * What happens in a node, by kind. Each is published on the channel
 * `fastify-mcp-sticky:<kind>` of node:diagnostics_channel, as a frozen object
 * with the kind as `event`. Durations are in milliseconds. None has a whole
 * session id, an argument or a result.
 */
export interface EventKinds {
  /** A client has initialized a session here. */
  'session.opened': OfSession & { readonly protocolVersion: string, readonly clientName: string, readonly clientVersion: string }
  /** A session is over. `durationMs`: since it was opened, on whichever node. */
  'session.ended': OfSession & { readonly reason: Exclude<EndReason, 'handed_over'>, readonly durationMs: number }
  /** A session was taken over from the node `from`. `durationMs`: what that took. */
  'session.adopted': OfSession & { readonly from: string, readonly durationMs: number }
  /** A session could not be taken over from the node `from`: for the `failures`th time. */
  'session.adoption_failed': OfSession & { readonly from: string, readonly durationMs: number, readonly failures: number }
  /** A session was given up, for another node to adopt. `durationMs`: since it was opened. */
  'session.handed_over': OfSession & { readonly durationMs: number }
  /** A JSON-RPC request was answered here. No `session`: the era without. `tool`: of `tools/call`, as the client wrote it. */
  'request.done': OfEndpoint & {
    readonly session?: string
    readonly method: string
    readonly tool?: string
    readonly protocolVersion: string
    readonly outcome: Outcome
    /** Of the JSON-RPC error, where `outcome` is `error`. */
    readonly errorCode?: number
    readonly durationMs: number
  }
  /** A request was refused, with `data.reason` (docs/errors.md) and an HTTP status. `method`, `tool`: where they had been read. */
  'request.refused': OfEndpoint & {
    readonly session?: string
    readonly reason: string
    readonly status: number
    readonly method?: string
    readonly tool?: string
    readonly durationMs: number
  }
  /** A request was held, since the owner of its session did not answer: until another node had it, or it was given up. */
  'request.held': OfSession & { readonly durationMs: number }
  /** Another node, at the url `to`, was given a request to answer. `method`, `tool`: as of `request.refused`; none: a stream, a DELETE or an answer. */
  'forward.done': OfEndpoint & {
    readonly session?: string
    readonly method?: string
    readonly tool?: string
    readonly to: string
    readonly outcome: 'answered' | 'declined' | 'unreachable' | 'lost'
    readonly durationMs: number
  }
  /** The session directory does not answer, or refuses what this node writes. */
  'directory.lost': OfNode & { readonly reason: string }
  /** It answers, and takes what this node writes, again. */
  'directory.regained': OfNode & { readonly durationMs: number }
  /** The node is being taken out of service, with so many sessions. */
  'node.draining': OfNode & { readonly sessions: number }
  /** It is out of service; see `Drained`. */
  'node.drained': OfNode & { readonly handedOver: number, readonly finished: number, readonly lost: number, readonly durationMs: number }
}

/** The kinds of events. */
export type EventKind = keyof EventKinds

/** An event, as its subscribers get it. */
export type StickyEvent<Kind extends EventKind = EventKind> = { [K in Kind]: Readonly<{ event: K } & EventKinds[K]> }[Kind]

/** What is said of an event: all but its kind and node, which are known. */
export type Facts<Kind extends EventKind> = Omit<EventKinds[Kind], 'node'>
