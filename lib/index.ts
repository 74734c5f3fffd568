/**
 * The plugin, what goes with it, and the types that they mention.
 *
 * Errors are known by their `code`: docs/errors.md has all of them.
 * @module fastify-mcp-sticky
 */
export { mcpSticky, mcpSticky as default } from './plugin.ts'
export { closeOnSignal } from './shutdown/close-on-signal.ts'
export { redisEventStore } from './redis/events/event-store.ts'
export type { RedisEventStoreOptions } from './redis/events/event-store.ts'
export type { McpStickyOptions, NewSession } from './options.ts'
export type { Counters, Drained, McpSessions } from './sessions/mcp-sessions.ts'
export type { AdoptedSession } from './sessions/arrival.ts'
export type { EndReason } from './sessions/departure.ts'
export type { Reaped } from './sessions/reaper.ts'
export type { McpSession } from './sessions/session.ts'
export type { NodeStatus } from './directory/node.ts'
export type { OwnerFacts, Replay, SessionRecord } from './directory/record.ts'
export type { AuthInfo, Principal } from './security/principal.ts'
export type { EventStore, McpServerLike, SessionEventStore, SessionEvents } from './transport/mcp-server.ts'
export type { RequestId } from './transport/messages.ts'
export type { RedisClient } from './redis/client.ts'
