import type { EventStore } from '../mcp-server.ts'

/** What a stream is: the answer to a POST, or one that a GET opened. */
export type StreamKind = 'post' | 'get'

/**
 * What became of a resume. `unknown`: the event is none of this session's, or
 * the session has ended. `expired`: the store has let go of what followed it.
 */
export type Resumed = 'resumed' | 'unknown' | 'expired'

const KIND = /\.(post|get)\d+$/

/**
 * Names of one session's streams in the event store. A store is shared by all
 * sessions and outlives their server objects, so the names begin with the
 * session's id and its server object's token; none has a `_`, because the
 * SDK's own InMemoryEventStore cuts an event id at its first one to find the
 * stream.
 */
export class StreamNames {
  readonly #scope: string
  readonly #token: string
  #count = 0

  constructor (sessionId: string, token: string) {
    // The alphabet of session ids has no ~, so two sessions never share a scope.
    this.#scope = `${sessionId.replaceAll('_', '~')}:`
    this.#token = token.replaceAll('_', '~')
  }

  next (kind: StreamKind): string {
    return `${this.#scope}${this.#token}.${kind}${++this.#count}`
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
