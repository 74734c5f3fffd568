import type { RequestId } from './messages.ts'

/**
 * What the plugin needs of a server object. McpServer and Server of
 * `@modelcontextprotocol/sdk` 1.x and of `@modelcontextprotocol/server` 2.x
 * both fit.
 */
export interface McpServerLike {
  /**
   * Called once, with the session's transport. The SDK lines type theirs
   * differently, hence `any`; both accept ours.
   */
  connect: (transport: any) => Promise<void>
  /** Called at the session's end. */
  close: () => Promise<void>
}

/** The SDK's EventStore, structurally (resumability, spec 2025-11-25, Streamable HTTP). */
export interface EventStore {
  /** Keeps an event of a stream and returns its id, unique in the whole store. */
  storeEvent: (streamId: string, message: any) => Promise<string>
  /** The stream of an event, if the store can tell. */
  getStreamIdForEventId?: (eventId: string) => Promise<string | undefined>
  /** Sends every event of the same stream after the given one, in order; returns the stream's id. */
  replayEventsAfter: (lastEventId: string, callbacks: { send: (eventId: string, message: any) => Promise<void> }) => Promise<string>
}

/**
 * What one server object of a session writes to and reads from a store that
 * knows sessions (see redis/events/event-store.ts).
 */
export interface SessionEvents extends EventStore {
  /** `requests`: the ids of the requests that this stream answers, told with its first event. */
  storeEvent: (streamId: string, message: any, about?: { requests: RequestId[] }) => Promise<string>
  /**
   * This server object takes the session's events over from the one before:
   * nothing that one stores is taken any more, and each of its requests that
   * has no answer in the store gets an error, as the last event of its stream.
   */
  takeOver: () => Promise<void>
  /** The session has ended: its events may go. Never throws. */
  forget: () => Promise<void>
}

/** An event store that keeps each session's events apart, and knows which server object wrote them. */
export interface SessionEventStore extends EventStore {
  /** `token` names the server object: unique for each server object that ever serves the session. */
  forSession: (sessionId: string, token: string) => SessionEvents
  /** The node shuts down. */
  stop: () => void
}
