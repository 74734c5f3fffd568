import { EventsExpiredError } from '../errors.ts'
import type { EventStore, SessionEvents, SessionEventStore } from './mcp-server.ts'

const EXPIRED = new EventsExpiredError().code

/** Whether the store keeps each session's events apart. */
export function knowsSessions (store: EventStore): store is SessionEventStore {
  return 'forSession' in store
}

/** Where one server object of a session stores its events. */
export function eventsOf (store: EventStore, sessionId: string, token: string): EventStore | SessionEvents {
  return knowsSessions(store) ? store.forSession(sessionId, token) : store
}

/** What of these events only a store that knows sessions can do. */
export function sessionEvents (events: EventStore | SessionEvents | undefined): SessionEvents | undefined {
  return events !== undefined && 'takeOver' in events ? events : undefined
}

/** Whether the store says that it has let go of what a client asks for. A store of the application's has the code, not our class. */
export function isExpired (error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === EXPIRED
}
