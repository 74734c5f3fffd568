/**
 * The plugin, what goes with it, and the types that they mention.
 *
 * Errors are known by their `code`: docs/errors.md has all of them.
 * @module fastify-mcp-sticky
 */
export { mcpSticky, mcpSticky as default } from './plugin.ts'
export type { McpStickyPlugin } from './plugin.ts'
export { closeOnSignal } from './shutdown/close-on-signal.ts'
export { InsufficientScopeError } from './errors.ts'
export { redisEventStore } from './redis/events/event-store.ts'
export type { RedisEventStoreOptions } from './redis/events/event-store.ts'
export type { McpStickyOptions, NewRequest, NewSession, OauthOptions, SharedServer, StatelessCommon, StatelessOptions } from './options.ts'
export type { EventKind, EventKinds, OfEndpoint, OfNode, OfSession, Outcome, StickyEvent } from './events/kinds.ts'
export type { Counters, DirectoryReadings, EndReason, Readings, Reaped } from './counters.ts'
export type { Drained, McpSessions } from './sessions/mcp-sessions.ts'
export type { AdoptedSession } from './sessions/adopted-session.ts'
export type { McpSession } from './sessions/session.ts'
export type { Finding } from './directory/find.ts'
export type { EndedBy, Step } from './directory/trails.ts'
export type { NodeStatus } from './directory/node.ts'
export type { Route } from './directory/tag-table.ts'
export type { OwnerFacts, Replay, SessionRecord } from './directory/record.ts'
export type { AuthInfo, Principal } from './security/principal.ts'
export type { EventStore, McpServerLike, SessionEventStore, SessionEvents } from './transport/mcp-server.ts'
export type { RequestId } from './transport/messages.ts'
export type { RedisClient } from './redis/client.ts'
