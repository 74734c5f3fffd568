import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { OptionError } from '../../errors.ts'
import { known, redisPrefix, whole } from '../../option-checks.ts'
import type { SessionEvents, SessionEventStore } from '../../transport/mcp-server.ts'
import type { Log } from '../link/availability.ts'
import type { RedisClient } from '../client.ts'
import { checkStream, eventId, placeOf, scopeOf } from './event-ids.ts'
import { EventLog } from './event-log.ts'
import { StoredEvents } from './session-events.ts'
import { redisKeys, type Keys } from '../keys.ts'
import { Link } from '../link/link.ts'
import { Unreadable } from '../link/unreadable.ts'

/** Options of redisEventStore. Everything but `redis` has a default. */
export interface RedisEventStoreOptions {
  /** An ioredis client or Cluster. It is never closed. Redis 7 or newer, or Valkey. */
  redis: RedisClient
  /** Prefix of every key. Default `mcp:`. */
  keyPrefix?: string
  /** Most events that are kept of a session, all its streams together. Default 1000. */
  maxEvents?: number
  /**
   * Most bytes of events that are kept of a session, all its streams together:
   * their JSON and 256 bytes for each. The newest event, and the one before
   * it, are kept whatever their size. Default 8 MiB.
   */
  maxBytes?: number
  /** For how long events are kept, in milliseconds. Default 4 hours. */
  maxAge?: number
  /** Is told when Redis stops answering, and when it is back: `app.log`. Default: nobody is. */
  log?: Pick<Log, 'warn'>
}

const NAMES = ['redis', 'keyPrefix', 'maxEvents', 'maxBytes', 'maxAge', 'log']
const HOUR = 3_600_000
/** Streams that aren't our sessions', of which the last event is remembered. */
const REMEMBERED = 1000

/**
 * An event store in Redis, for the plugin's option `eventStore` and for the
 * SDK's own transports: streams resume on any node (spec 2025-11-25,
 * Resumability and Redelivery).
 *
 * One Redis stream a session, so one command an event; memory is the JSON of
 * the last `maxEvents` events, at most `maxBytes`, and 170 to 360 bytes more for
 * each. An adopter and a reader go through a session's events in turns of 100,
 * or 1 MiB and the rest of an event, so Redis is never kept busy by one. An
 * event may be of any size that Redis takes in a second.
 *
 * While Redis does not answer everything rejects, after a second and then at
 * once. `getStreamIdForEventId` and `replayEventsAfter` throw
 * EventsExpiredError (code `MCP_STICKY_ERR_EVENTS_EXPIRED`) when an event was
 * let go of, never leaving a gap; a replay whose reader falls behind
 * `maxEvents` does so in the middle.
 *
 * The SDK's transports call every session's standalone stream `_GET_stream`:
 * several of them need a store each, with a `keyPrefix` of its own.
 * @throws MCP_STICKY_ERR_OPTION: the message names the option.
 */
export function redisEventStore (options: RedisEventStoreOptions): SessionEventStore {
  return new RedisEventStore(options)
}

class RedisEventStore implements SessionEventStore {
  readonly #link: Link
  readonly #keys: Keys
  readonly #events: EventLog
  readonly #log: Pick<Log, 'warn'> | undefined
  readonly #token = randomUUID()
  /** By stream, the last entry that we know. */
  readonly #known = new LRUCache<string, string>({ max: REMEMBERED })
  /** By stream, what resolves when its replays are over. */
  readonly #replays = new Map<string, Promise<void>>()
  #sequence = 0
  #away = false

  constructor (options: RedisEventStoreOptions) {
    const { redis, keyPrefix, maxEvents, maxBytes, maxAge, log } = checked(options)
    this.#log = log
    this.#keys = redisKeys(keyPrefix)
    this.#link = new Link(redis, {
      lost: why => {
        if (this.#away) return
        this.#away = true
        log?.warn({ why }, 'the event store in Redis does not answer; events are sent without ids')
      },
      // The directory's link has the client connect again.
      masterGone: () => {},
      answering: () => {},
      reconnected: () => {},
      regained: () => {
        if (!this.#away) return
        this.#away = false
        log?.warn('the event store in Redis answers again')
      }
    })
    this.#events = new EventLog({ link: this.#link, unreadable: new Unreadable(log ?? { warn () {} }), maxEvents, maxBytes, maxAge })
  }

  forSession (sessionId: string, token: string): SessionEvents {
    return new StoredEvents({
      log: this.#events,
      key: this.#keys.events(sessionId),
      sessionId,
      token,
      onFailed: err => this.#log?.warn({ why: String(err) }, 'the events of a session that has ended could not be deleted; they go with their age')
    })
  }

  /**
   * Settles after the replays of the stream that are under way in this process.
   * @throws NoAnswer, TypeError for a name that is too long, or not visible ASCII.
   */
  async storeEvent (stream: string, message: object): Promise<string> {
    checkStream(stream)
    const entry = await this.#events.append(this.#key(stream), {
      token: this.#token,
      sequence: ++this.#sequence,
      generation: '',
      known: this.#known.get(stream) ?? '0-0',
      stream,
      json: JSON.stringify(message),
      open: undefined,
      size: undefined
    })
    this.#known.set(stream, entry)
    // The SDK's transport gives an event to the connection that it knows when this returns, and knows a resumed one only after its replay.
    await this.#replays.get(stream)
    return eventId({ stream, entry })
  }

  async getStreamIdForEventId (id: string): Promise<string | undefined> {
    const place = placeOf(id)
    return place !== undefined && await this.#events.has(this.#key(place.stream), place) ? place.stream : undefined
  }

  async replayEventsAfter (id: string, { send }: { send: (eventId: string, message: any) => Promise<void> }): Promise<string> {
    const place = placeOf(id)
    if (place === undefined) return ''
    const replay = this.#events.replay(this.#key(place.stream), place, send)
    this.#follow(place.stream, replay)
    return await replay ? place.stream : ''
  }

  stop (): void {
    this.#link.stop()
  }

  #key (stream: string): string {
    return this.#keys.events(scopeOf(stream))
  }

  #follow (stream: string, replay: Promise<unknown>): void {
    const over = Promise.allSettled([replay, this.#replays.get(stream)]).then(async () => {
      // Whoever waits for the replay hears of it first.
      await turn()
      if (this.#replays.get(stream) === over) this.#replays.delete(stream)
    })
    this.#replays.set(stream, over)
  }
}

function checked (options: RedisEventStoreOptions) {
  known('', options, NAMES)
  const { redis, keyPrefix = 'mcp:', maxEvents, maxBytes, maxAge, log } = options
  if (typeof redis?.evalsha !== 'function' || typeof redis.eval !== 'function') throw new OptionError('redis', 'must be an ioredis client or Cluster')
  return {
    redis,
    keyPrefix: redisPrefix('keyPrefix', keyPrefix),
    maxEvents: whole('maxEvents', maxEvents, 1000),
    maxBytes: whole('maxBytes', maxBytes, 8 * 1024 * 1024),
    maxAge: whole('maxAge', maxAge, 4 * HOUR, ' of milliseconds of at least 1'),
    log
  }
}
