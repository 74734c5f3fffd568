import type { SessionEvents } from '../transport/mcp-server.ts'
import type { JsonRpcMessage, RequestId } from '../transport/messages.ts'
import { checkStream, eventId, placeOf, scopeOf, type EventPlace } from './event-store-ids.ts'
import type { EventLog } from './event-store-log.ts'

export interface OneSessionParts {
  log: EventLog
  key: string
  sessionId: string
  /** Names this incarnation. */
  token: string
  /** What could not be cleaned up. */
  onFailed: (err: unknown) => void
}

/** The events of one incarnation of one session. */
export class OneSession implements SessionEvents {
  readonly #parts: OneSessionParts
  readonly #open = new OpenRequests()
  #sequence = 0
  #generation = '0'
  #known = '0-0'
  /** A takeover was asked for and has not been acknowledged. */
  #owing = false

  constructor (parts: OneSessionParts) {
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
      token, sequence: ++this.#sequence, generation: this.#generation, known: this.#known, stream, json: JSON.stringify(message), open
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
    const { marker, generation } = await this.#parts.log.takeOver(this.#parts.key, this.#parts.token)
    this.#owing = false
    this.#generation = generation
    this.#known = marker
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

/** By stream, the requests that it has to answer, as JSON. */
class OpenRequests {
  readonly #byStream = new Map<string, string[]>()

  begin (stream: string, requests: RequestId[]): void {
    if (!this.#byStream.has(stream)) this.#byStream.set(stream, requests.map(id => JSON.stringify(id)))
  }

  /** Those that are left when this message is stored; undefined when nothing is known of the stream. */
  after (stream: string, message: object): string[] | undefined {
    const open = this.#byStream.get(stream)
    if ('method' in message || !('id' in message)) return open
    const answered = JSON.stringify(message.id)
    return open?.filter(id => id !== answered)
  }

  stored (stream: string, left: string[]): void {
    if (left.length === 0) this.#byStream.delete(stream)
    else this.#byStream.set(stream, left)
  }
}
