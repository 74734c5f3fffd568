import type { FastifyBaseLogger } from 'fastify'
import { NO_EVENTS } from '../../events/events.ts'
import type { Events } from '../../events/events.ts'
import { NoAnswer } from './bounded.ts'

export type Log = Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>

/** Says in the log how the directory fares: once a change, not once a command. */
export class Availability {
  readonly #log: Log
  readonly #events: Events
  /** Where Redis is. */
  readonly #redis: () => string | undefined
  readonly #refusals = new Set<string>()
  #away = false
  /** Since when it is away, or refuses: performance.now(). */
  #since: number | undefined
  #refused = false
  #outages = 0

  constructor (log: Log, events: Events = NO_EVENTS, redis: () => string | undefined = () => undefined) {
    this.#log = log
    this.#events = events
    this.#redis = redis
  }

  /** It answers, and takes what this node writes. */
  get up (): boolean { return this.#since === undefined }
  /** How often that has ended. */
  get outages (): number { return this.#outages }

  lost (why: string): void {
    if (this.#away) return
    this.#away = true
    this.#lost(why)
    this.#log.warn({ why, redis: this.#redis() }, 'the session directory in Redis does not answer; local sessions go on without it')
  }

  regained (): void {
    this.#refusals.clear()
    if (!this.#away) return
    this.#away = false
    this.#regained()
    this.#log.warn('the session directory in Redis answers again')
  }

  /** Redis answers, and refuses this node's beats. */
  refused (err: unknown): void {
    if (this.#refused) return
    this.#refused = true
    const why = reasonOf(err)
    this.#refusals.add(why)
    this.#lost(why)
    this.#log.warn({ why }, 'the session directory in Redis refuses what this node writes; local sessions go on without it')
  }

  accepted (): void {
    this.#refused = false
    this.#regained()
    this.#refusals.clear()
    this.#log.warn('the session directory in Redis takes what this node writes again')
  }

  /** A command failed. That Redis doesn't answer is said elsewhere; what it refuses, once for each reason. */
  failed (err: unknown): void {
    if (err instanceof NoAnswer) return
    const reason = reasonOf(err)
    if (this.#refusals.has(reason)) return
    this.#refusals.add(reason)
    this.#log.warn({ why: reason }, 'the session directory in Redis failed')
  }

  #lost (reason: string): void {
    if (this.#since !== undefined) return
    this.#since = performance.now()
    this.#outages++
    this.#events.emit('directory.lost', { reason })
  }

  #regained (): void {
    if (this.#since === undefined || this.#away || this.#refused) return
    const durationMs = Math.round(performance.now() - this.#since)
    this.#since = undefined
    this.#events.emit('directory.regained', { durationMs })
  }
}

/** Not the error itself: ioredis puts the command on it, and a session's id is in the command. */
function reasonOf (err: unknown): string {
  // Nor the script that it was: one reason is said once.
  return String(err).replace(/,? script: .*/s, '').slice(0, 100)
}
