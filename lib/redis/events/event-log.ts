import { EventsExpiredError } from '../../errors.ts'
import { OpenRequests } from './open-requests.ts'
import { appendEvent, dropEvents, ENTRY, findEvent, readEvents, takeOverEvents } from '../scripts/event-scripts.ts'
import { eventId, type EventPlace } from './event-ids.ts'
import type { Link } from '../link/link.ts'
import type { Script } from '../scripts/script.ts'
import { isOfAnotherType, type Unreadable } from '../link/unreadable.ts'

/** The answer to a request whose server is gone. */
const OWNER_LOST = JSON.stringify({
  code: -32000,
  message: 'The server that was handling this request is gone; whether the request was carried out is unknown',
  data: { reason: 'owner_lost' }
})

/** Another incarnation has taken the session's events over: nothing of this one is stored any more. */
class EventsTakenError extends Error {
  constructor () {
    super('another incarnation of the session has taken its events over')
  }
}

/** One event on its way into the log. */
interface Append {
  /** Names the producer. */
  token: string
  /** Of the producer's own; an event that is sent again has the same. */
  sequence: number | string
  /** What `takeOver` returned, '0' without, '' for a producer that nobody takes over from. */
  generation: string
  /** The id of an entry that was known before the event was first sent, the later the better. */
  known: string
  stream: string
  json: string
  /** Where known: the requests that the stream still has to answer, as JSON. */
  open: string[] | undefined
  /** Where the producer is the only one: what it knows of the log's size. */
  size: LogSize | undefined
}

/** Bytes of all that was ever appended, and of what of it is known to be gone, as the scripts count them. */
export interface LogSize { total: number, gone: number }

interface EventLogOptions {
  link: Link
  unreadable: Unreadable
  /** Most entries a key has. */
  maxEvents: number
  /** Most bytes its entries have. */
  maxBytes: number
  /** In milliseconds. */
  maxAge: number
}

/** The commands on a key of events. Everything rejects when Redis doesn't answer within the link's bound. */
export class EventLog {
  readonly #link: Link
  readonly #unreadable: Unreadable
  readonly #limits: [maxEvents: string, maxAge: string]
  readonly #maxBytes: string

  constructor ({ link, unreadable, maxEvents, maxBytes, maxAge }: EventLogOptions) {
    this.#link = link
    this.#unreadable = unreadable
    this.#limits = [String(maxEvents), String(maxAge)]
    this.#maxBytes = String(maxBytes)
  }

  /**
   * Returns the id of the entry.
   * @throws EventsTakenError
   */
  async append (key: string, { token, sequence, generation, known, stream, json, open, size }: Append): Promise<string> {
    if (size !== undefined) size.total += stream.length + Buffer.byteLength(json) + ENTRY
    const answer = await this.#run(appendEvent, key, [
      token, String(sequence), generation, known, ...this.#limits, stream, json, open?.join('\n') ?? '',
      this.#maxBytes, size === undefined ? '' : String(size.total), String(size?.gone ?? 0)
    ])
    if (answer === null) throw new EventsTakenError()
    const [entry, gone] = answer as [string, string]
    if (size !== undefined) size.gone = Math.max(size.gone, Number(gone))
    return entry
  }

  /**
   * Takes the log over, and answers each request that its producer has left
   * open with an error on its stream. Sent or asked for twice, it does so once:
   * requests only ever become answered, so one that is missing from any entry of its stream is.
   *
   * Returns the id of the marker, the generation of what this producer appends, and the size of the log.
   * @throws EventsTakenError
   */
  async takeOver (key: string, token: string): Promise<{ marker: string, generation: string, size: LogSize }> {
    const left = new OpenRequests()
    let turn = ['0-0', '0', '0', '', '']
    for (let done = 0; done === 0;) {
      const page = await this.#run(takeOverEvents, key, [token, ...this.#limits, ...turn]) as [number, ...string[]] | null
      if (page === null) throw new EventsTakenError()
      const [end, ...rest] = page
      done = Number(end)
      turn = rest.slice(0, 5)
      for (let i = 5; i < rest.length; i += 2) left.seen(rest[i]!, rest[i + 1]!.split('\n').filter(Boolean))
    }
    const [marker, , total, , generation] = turn as [string, string, string, string, string]
    const size = { total: Number(total), gone: 0 }
    for (const { stream, request, open } of left.answers()) {
      const json = `{"jsonrpc":"2.0","id":${request},"error":${OWNER_LOST}}`
      await this.append(key, { token, sequence: `${stream} ${request}`, generation, known: marker, stream, json, open, size })
    }
    return { marker, generation, size }
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
