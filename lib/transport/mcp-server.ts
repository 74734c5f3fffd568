/**
 * What the plugin needs of a server object. McpServer and Server of
 * `@modelcontextprotocol/sdk` 1.x and of `@modelcontextprotocol/server` 2.x
 * both fit.
 */
export interface McpServerLike {
  // The SDK lines type their Transport differently; both accept ours at run time.
  connect: (transport: any) => Promise<void>
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
