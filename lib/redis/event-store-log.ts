import { EventsExpiredError } from '../errors.ts'
import { appendEvent, dropEvents, findEvent, readEvents, takeOverEvents } from './event-scripts.ts'
import { eventId, type EventPlace } from './event-store-ids.ts'
import type { Link } from './link.ts'
import type { Script } from './script.ts'
import { isOfAnotherType, type Unreadable } from './unreadable.ts'

/** The answer to a request whose server is gone. */
const OWNER_LOST = JSON.stringify({
  code: -32000,
  message: 'The server that was handling this request is gone; whether the request was carried out is unknown',
  data: { reason: 'owner_lost' }
})

/** Another incarnation has taken the session's events over: nothing of this one is stored any more. */
export class EventsTakenError extends Error {
  constructor () {
    super('another incarnation of the session has taken its events over')
  }
}

/** One event on its way into the log. */
export interface Append {
  /** Names the producer. */
  token: string
  /** Of the producer's own; an event that is sent again has the same. */
  sequence: number
  /** What `takeOver` returned, '0' without, '' for a producer that nobody takes over from. */
  generation: string
  /** The id of an entry that was known before the event was first sent, the later the better. */
  known: string
  stream: string
  json: string
  /** Where known: the requests that the stream still has to answer, as JSON. */
  open: string[] | undefined
}

export interface EventLogOptions {
  link: Link
  unreadable: Unreadable
  /** Most entries a key has. */
  maxEvents: number
  /** In milliseconds. */
  maxAge: number
}

/** The commands on a key of events. Everything rejects when Redis doesn't answer within the link's bound. */
export class EventLog {
  readonly #link: Link
  readonly #unreadable: Unreadable
  readonly #limits: [maxEvents: string, maxAge: string]

  constructor ({ link, unreadable, maxEvents, maxAge }: EventLogOptions) {
    this.#link = link
    this.#unreadable = unreadable
    this.#limits = [String(maxEvents), String(maxAge)]
  }

  /**
   * Returns the id of the entry.
   * @throws EventsTakenError
   */
  async append (key: string, { token, sequence, generation, known, stream, json, open }: Append): Promise<string> {
    const args = [token, String(sequence), generation, known, ...this.#limits, stream, json]
    const entry = await this.#run(appendEvent, key, open === undefined ? args : [...args, open.join('\n')])
    if (entry === null) throw new EventsTakenError()
    return entry as string
  }

  /**
   * Returns the id of the marker, and the generation of what this producer appends.
   * @throws EventsTakenError
   */
  async takeOver (key: string, token: string): Promise<{ marker: string, generation: string }> {
    const taken = await this.#run(takeOverEvents, key, [token, ...this.#limits, OWNER_LOST])
    if (taken === null) throw new EventsTakenError()
    const [marker, generation] = taken as [string, string]
    return { marker, generation }
  }

  /**
   * Whether the entry is an event of that stream.
   * @throws EventsExpiredError when it is gone.
   */
  async has (key: string, { stream, entry }: EventPlace): Promise<boolean> {
    const found = await this.#run(findEvent, key, [entry])
    if (found === null) throw new EventsExpiredError()
    return found === stream
  }

  /**
   * Sends what follows an event of a stream, page by page. False: the entry is another stream's.
   * @throws EventsExpiredError when some of that may be gone, in the middle too.
   */
  async replay (key: string, { stream, entry }: EventPlace, send: (eventId: string, message: unknown) => Promise<void>): Promise<boolean> {
    for (let at = entry, more = true; more;) {
      const page = await this.#run(readEvents, key, [at, stream]) as [string, string, number, ...string[]] | null
      if (page === null) throw new EventsExpiredError()
      const [of, last, left, ...events] = page
      if (at === entry && of !== stream) return false
      for (let i = 0; i < events.length; i += 2) {
        await send(eventId({ stream, entry: events[i]! }), this.#parse(events[i + 1]!))
      }
      at = last
      more = Number(left) === 1
    }
    return true
  }

  async drop (key: string, generation: string): Promise<void> {
    await this.#run(dropEvents, key, [generation])
  }

  /** @throws EventsExpiredError for what nobody can read: to leave it out would be a gap. */
  #parse (json: string): unknown {
    try {
      return JSON.parse(json)
    } catch {
      this.#unreadable.found('an event')
      throw new EventsExpiredError()
    }
  }

  /** Redis' own errors have the command on them, which names the session and may be large: they are not handed on. */
  async #run (script: Script, key: string, args: string[]): Promise<unknown> {
    try {
      return await this.#link.run(script, key, args)
    } catch (err) {
      if (isOfAnotherType(err)) {
        this.#unreadable.found('the events of a session')
        return null
      }
      if (err instanceof Error && err.name === 'ReplyError') throw new Error(`Redis refused: ${err.message}`)
      throw err
    }
  }
}
