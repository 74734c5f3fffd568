import { isEventId } from '../../http/frames.ts'
import type { SessionLog } from '../../http/session-log.ts'
import type { EventStore, SessionEvents } from '../mcp-server.ts'
import type { RequestId } from '../messages.ts'

/** Where events go, and who hears that they could not. */
interface Keeper {
  readonly events: EventStore | SessionEvents | undefined
  readonly log: SessionLog
}

/** Keeps the events of one stream in the event store. */
export class EventKeeping {
  readonly #host: Keeper
  readonly #name: string
  /** Told to the store with the first event, and then no more. */
  #about: { requests: RequestId[] } | undefined

  constructor (host: Keeper, name: string) {
    this.#host = host
    this.#name = name
  }

  /** The stream will carry the answers to these requests; an event store that knows sessions is told. */
  answers (requests: RequestId[]): void {
    this.#about = { requests }
  }

  /** The id of the event; undefined when the store has failed. Never rejects. */
  async store (message: object): Promise<string | undefined> {
    try {
      const events = this.#host.events!
      const id = this.#about === undefined
        ? await events.storeEvent(this.#name, message)
        : await (events as SessionEvents).storeEvent(this.#name, message, this.#about)
      this.#about = undefined
      if (!isEventId(id)) throw new TypeError('the event store made an id that no header field can carry')
      return id
    } catch (error) {
      this.#host.log.warn('the event store failed; an event is sent without an id', { err: error })
      return undefined
    }
  }
}
