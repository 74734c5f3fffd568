import type { SessionEvents } from '../../transport/mcp-server.ts'
import type { JsonRpcMessage, RequestId } from '../../transport/messages.ts'
import { OpenRequests } from './open-requests.ts'
import { checkStream, eventId, placeOf, scopeOf, type EventPlace } from './event-ids.ts'
import type { EventLog, LogSize } from './event-log.ts'

interface StoredEventsParts {
  log: EventLog
  key: string
  sessionId: string
  /** Names this incarnation. */
  token: string
  /** What could not be cleaned up. */
  onFailed: (err: unknown) => void
}

/** The events of one incarnation of one session. */
export class StoredEvents implements SessionEvents {
  readonly #parts: StoredEventsParts
  readonly #open = new OpenRequests()
  #sequence = 0
  #generation = '0'
  #known = '0-0'
  #size: LogSize = { total: 0, gone: 0 }
  /** A takeover was asked for and has not been acknowledged. */
  #owing = false

  constructor (parts: StoredEventsParts) {
    this.#parts = parts
  }

  /**
   * @throws EventsTakenError, NoAnswer, TypeError for a stream that isn't this session's.
   */
  async storeEvent (stream: string, message: JsonRpcMessage | object, about?: { requests: RequestId[] }): Promise<string> {
    const { log, key, sessionId, token } = this.#parts
    checkStream(stream)
    if (scopeOf(stream) !== sessionId) throw new TypeError('the stream is not of this session')
    if (about !== undefined) this.#open.begin(stream, about.requests)
    if (this.#owing) await this.takeOver()
    const open = this.#open.after(stream, message)
    const entry = await log.append(key, {
      token, sequence: ++this.#sequence, generation: this.#generation, known: this.#known, stream, json: JSON.stringify(message), open, size: this.#size
    })
    this.#known = entry
    // Only now: an answer that isn't in the store leaves its request open.
    if (open !== undefined) this.#open.stored(stream, open)
    return eventId({ stream, entry })
  }

  async getStreamIdForEventId (id: string): Promise<string | undefined> {
    const place = this.#place(id)
    return place !== undefined && await this.#parts.log.has(this.#parts.key, place) ? place.stream : undefined
  }

  async replayEventsAfter (id: string, { send }: { send: (eventId: string, message: any) => Promise<void> }): Promise<string> {
    const place = this.#place(id)
    return place !== undefined && await this.#parts.log.replay(this.#parts.key, place, send) ? place.stream : ''
  }

  /** One that fails is made up for before the next event is stored. */
  async takeOver (): Promise<void> {
    if (this.#generation !== '0') return
    this.#owing = true
    const { marker, generation, size } = await this.#parts.log.takeOver(this.#parts.key, this.#parts.token)
    this.#owing = false
    this.#generation = generation
    this.#known = marker
    this.#size = size
  }

  async forget (): Promise<void> {
    try {
      await this.#parts.log.drop(this.#parts.key, this.#generation)
    } catch (err) {
      // They go with their age.
      this.#parts.onFailed(err)
    }
  }

  #place (id: string): EventPlace | undefined {
    const place = placeOf(id)
    return place !== undefined && scopeOf(place.stream) === this.#parts.sessionId ? place : undefined
  }
}
