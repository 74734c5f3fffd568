import type { FastifyBaseLogger } from 'fastify'
import { NoAnswer } from './bounded.ts'

export type Log = Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>

/** Says in the log how the directory fares: once a change, not once a command. */
export class Availability {
  readonly #log: Log
  readonly #refusals = new Set<string>()
  #away = false
  #refused = false

  constructor (log: Log) {
    this.#log = log
  }

  lost (why: string): void {
    if (this.#away) return
    this.#away = true
    this.#log.warn({ why }, 'the session directory in Redis does not answer; local sessions go on without it')
  }

  regained (): void {
    this.#refusals.clear()
    if (!this.#away) return
    this.#away = false
    this.#log.warn('the session directory in Redis answers again')
  }

  /** Redis answers, and refuses this node's beats. */
  refused (err: unknown): void {
    if (this.#refused) return
    this.#refused = true
    const why = reasonOf(err)
    this.#refusals.add(why)
    this.#log.warn({ why }, 'the session directory in Redis refuses what this node writes; local sessions go on without it')
  }

  accepted (): void {
    this.#refused = false
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
}

/** Not the error itself: ioredis puts the command on it, and a session's id is in the command. */
function reasonOf (err: unknown): string {
  // Nor the script that it was: one reason is said once.
  return String(err).replace(/,? script: .*/s, '').slice(0, 100)
}
