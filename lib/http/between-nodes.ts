/** Header fields that nodes set, and read, among themselves. A proxy may strip none of them between two nodes. */

/** Set by the node that forwards a request, to its own tag: what carries it is never forwarded again. */
export const HOP = 'mcp-sticky-hop'
/** Names the endpoint that a hop, or a question about sessions, is for; absent: the default one. Whoever has no such endpoint has none of its sessions. */
export const ENDPOINT = 'mcp-sticky-endpoint'
/** Carries the proof of an owner question or a hop, and of the answer to one. */
export const PROOF = 'mcp-sticky-proof'
/** Says of which span of another node a hop is a part: `traceparent`, then a space and `tracestate` (W3C Trace Context). Only to be believed of a hop that has proven itself. */
export const TRACE = 'mcp-sticky-trace'
/** Digests of the sessions that an owner question is about, with commas between them. A node of format 0 gets the id of one as `Mcp-Session-Id`. */
export const SESSIONS = 'mcp-sticky-sessions'
/** Set in an owner question: the sessions have no record, so the node looks whether their ends were asked for. */
export const UNRECORDED = 'mcp-sticky-unrecorded'
/** What a node asks at its own url, so that nobody else can answer. */
export const SELF = 'mcp-sticky-self'

/** The answer to an owner question without a proof that holds. */
export const UNVERIFIED = '{"error":"unverified"}'
