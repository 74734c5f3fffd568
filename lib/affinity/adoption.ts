import type { FastifyBaseLogger } from 'fastify'
import { AdoptionFailedError } from '../errors.ts'
import { shortId } from '../session-id.ts'
import type { SessionDirectory } from '../directory/directory.ts'
import type { SessionRecord } from '../directory/record.ts'
import type { Arrival } from '../sessions/arrival.ts'
import type { Incoming } from '../sessions/incoming.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { Limiter } from '../bounds/limiter.ts'
import type { Owners, Standing } from './evidence/owners.ts'

/** Adoptions at once; a node's death makes thousands of orphans. */
const AT_ONCE = 64
/** Milliseconds for all that an adoption asks of the application. */
const BOUND = 30_000

/** What came of an attempt to take a session over. */
export type Adopted =
  | { outcome: 'adopted', session: LocalSession }
  /** Its owner lives; its heartbeat is all that is missing. `error`: what kept it from saying that it holds the session. */
  | { outcome: 'owned', url: string, error?: Error }
  /** Whether its owner lives cannot be told now. */
  | { outcome: 'uncertain', error: Error }
  /** The record has changed: look again. */
  | { outcome: 'changed' }
  /** This node has no room. */
  | { outcome: 'full' }
  /** The server could not be brought to where the lost one stood. */
  | { outcome: 'failed', error: Error }

export interface AdoptionParts {
  sessions: Sessions
  directory: Pick<SessionDirectory, 'claim' | 'unclaim'>
  owners: Pick<Owners, 'recorded'>
  log: FastifyBaseLogger
  /** Milliseconds for createServer, the replay and onAdopt together. */
  bound?: number
}

/**
 * Takes over sessions whose node is gone: asks the owner first, then claims
 * the record by compare-and-set, and replays what the client told the lost
 * server. Handler state is lost, but for `session.state`.
 */
export class Adoption {
  readonly #parts: AdoptionParts
  readonly #running = new Map<string, Promise<Adopted>>()
  readonly #limiter = new Limiter(AT_ONCE)

  constructor (parts: AdoptionParts) {
    this.#parts = parts
  }

  /**
   * Takes a session over. Requests that want it meanwhile share the attempt, and
   * its outcome: a burst of them counts as one failure.
   * @throws DirectoryUnavailableError
   */
  adopt (record: SessionRecord, incoming: Incoming): Promise<Adopted> {
    const { id } = record
    let running = this.#running.get(id)
    if (running === undefined) {
      running = this.#adopt(record, incoming).finally(() => this.#running.delete(id))
      this.#running.set(id, running)
    }
    return running
  }

  async #adopt (record: SessionRecord, incoming: Incoming): Promise<Adopted> {
    const standing: Standing = record.released === true ? { owner: 'gone' } : await this.#parts.owners.recorded(record)
    switch (standing.owner) {
      case 'holds': return { outcome: 'owned', url: standing.url }
      case 'lives': return { outcome: 'owned', url: standing.url, error: standing.error }
      case 'uncertain': return { outcome: 'uncertain', error: standing.error }
    }
    return this.#limiter.run(() => this.#take(record, incoming))
  }

  /** The owner is gone. */
  async #take (record: SessionRecord, incoming: Incoming): Promise<Adopted> {
    const { sessions, directory } = this.#parts
    // It has arrived since its record was read: a claim of our own record would succeed, and make a second server.
    if (sessions.get(record.id) !== undefined) return { outcome: 'changed' }
    const arrival = sessions.expect(record)
    if (arrival === undefined) return { outcome: 'full' }
    let adopted: Adopted | undefined
    try {
      if (await directory.claim(record) !== 'claimed') return { outcome: 'changed' }
      adopted = await this.#move(record, arrival, incoming)
      return adopted
    } finally {
      sessions.arrived(record, adopted?.outcome === 'adopted')
    }
  }

  /** Makes the session of a record that was claimed. */
  async #move (record: SessionRecord, arrival: Arrival, incoming: Incoming): Promise<Adopted> {
    const { sessions, directory, log } = this.#parts
    const facts = { session: shortId(record.id), from: record.node }
    try {
      const session = await this.#inTime(arrival, sessions.adopt(record, arrival, incoming))
      if (session === undefined) return { outcome: 'changed' }
      log.info(facts, 'mcp session adopted')
      return { outcome: 'adopted', session }
    } catch (cause) {
      const error = new AdoptionFailedError(cause instanceof Error ? cause.message : String(cause), { cause })
      log.error({ ...facts, err: cause, failures: record.adoptionFailures + 1 }, 'an mcp session could not be adopted')
      await directory.unclaim(record)
      return { outcome: 'failed', error }
    }
  }

  /** A session that comes too late ends at once. */
  async #inTime<T> (arrival: Arrival, adopting: Promise<T>): Promise<T> {
    const { bound = BOUND } = this.#parts
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        arrival.unwanted = true
        reject(new Error(`createServer, the replay and onAdopt took longer than ${bound} ms`))
      }, bound)
    })
    try {
      return await Promise.race([adopting, late])
    } finally {
      clearTimeout(timer)
    }
  }
}
