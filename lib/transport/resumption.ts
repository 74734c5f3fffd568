import type { EventStore } from './mcp-server.ts'

/** What a stream is: the answer to a POST, or one that a GET opened. */
export type StreamKind = 'post' | 'get'

const KIND = /\.(post|get)\d+$/

/**
 * Names of one session's streams in the event store. A store is shared by all
 * sessions, so the names begin with the session's id; none has a `_`, because
 * the SDK's own InMemoryEventStore cuts an event id at its first one to find
 * the stream.
 */
export class StreamNames {
  readonly #scope: string
  readonly #epoch: string
  #count = 0

  constructor (sessionId: string, epoch: string) {
    // The alphabet of session ids has no ~, so two sessions never share a scope.
    this.#scope = `${sessionId.replaceAll('_', '~')}:`
    this.#epoch = epoch.replaceAll('_', '~')
  }

  next (kind: StreamKind): string {
    return `${this.#scope}${this.#epoch}.${kind}${++this.#count}`
  }

  /** What the stream of that name is; undefined when it isn't this session's. */
  kindOf (name: string): StreamKind | undefined {
    return name.startsWith(this.#scope) ? KIND.exec(name)?.[1] as StreamKind | undefined : undefined
  }
}

/**
 * The name of an event's stream. A store that cannot tell has to replay to say
 * so; what it replays then is thrown away.
 */
export async function streamOfEvent (store: EventStore, eventId: string): Promise<string | undefined> {
  if (store.getStreamIdForEventId !== undefined) return store.getStreamIdForEventId(eventId)
  return store.replayEventsAfter(eventId, { send: async () => {} })
}
