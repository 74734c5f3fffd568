import type { Events } from '../events/events.ts'
import type { Lives } from '../events/lives.ts'
import { AdoptionFailedError } from '../errors.ts'
import type { SessionDirectory } from '../directory/directory.ts'
import type { SessionRecord } from '../directory/record.ts'
import type { Peer } from '../directory/tag-table.ts'
import type { Arrival } from '../sessions/arrival.ts'
import type { Incoming } from '../sessions/incoming.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { sessionName } from '../session-id.ts'
import { Limiter } from '../bounds/limiter.ts'
import type { Owners, Standing } from './evidence/owners.ts'
import { orNothing } from './heirs.ts'
import type { Heirs } from './heirs.ts'

/** Adoptions at once; a node's death makes thousands of orphans. */
const AT_ONCE = 64
/** Adoptions that wait for their turn, with more of which a node counts as full to those who ask it to take sessions. */
const QUEUED = 1000
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
  /** This node has no room, or is on its way out. */
  | { outcome: 'full' }
  /** Another node takes it, and has said so. */
  | { outcome: 'placed', peer: Peer }
  /** The server could not be brought to where the lost one stood. */
  | { outcome: 'failed', error: Error }

export interface AdoptionParts {
  /** The name of the one whose sessions are adopted. */
  endpoint: string
  sessions: Sessions
  directory: Pick<SessionDirectory, 'claim' | 'unclaim'>
  owners: Pick<Owners, 'recorded'>
  /** Where orphans go; undefined: to the node that is asked for them. */
  heirs?: Pick<Heirs, 'place'> | undefined
  lives: Lives
  events: Pick<Events, 'tracing'>
  /** Milliseconds for createServer, the replay and onAdopt together. */
  bound?: number
}

/**
 * Takes over sessions of an endpoint whose node is gone: asks the owner first, then claims
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
   * its outcome: a burst of them counts as one failure. Where another node is to have it, that is asked to take it, but
   * not for a request that was passed on: whoever did that has asked. `tried`: ids of nodes that did not take it.
   * @throws DirectoryUnavailableError
   */
  adopt (record: SessionRecord, incoming: Incoming, tried: Set<string>): Promise<Adopted> {
    const { id } = record
    let running = this.#running.get(id)
    if (running === undefined) {
      running = this.#adopt(record, incoming, tried).finally(() => this.#running.delete(id))
      this.#running.set(id, running)
    }
    return running
  }

  async #adopt (record: SessionRecord, incoming: Incoming, tried: Set<string>): Promise<Adopted> {
    const standing: Standing = record.released === true ? { owner: 'gone' } : await this.#parts.owners.recorded(record)
    switch (standing.owner) {
      case 'holds': return { outcome: 'owned', url: standing.url }
      case 'lives': return { outcome: 'owned', url: standing.url, error: standing.error }
      case 'uncertain': return { outcome: 'uncertain', error: standing.error }
    }
    const peer = incoming.hop ? undefined : await this.#placed(record, tried)
    if (peer !== undefined) return { outcome: 'placed', peer }
    if (this.#parts.sessions.state !== 'open') return { outcome: 'full' }
    return this.#limiter.run(() => this.#take(record, incoming))
  }

  /** Whether this node takes sessions for which others ask. */
  get takes (): boolean {
    const { sessions, endpoint } = this.#parts
    return sessions.state === 'open' && sessions.roomAt(endpoint) > 0 && this.#limiter.waiting <= QUEUED
  }

  /** The other node that takes it, if one does. A table that cannot be read is no reason to wait. */
  async #placed ({ id }: SessionRecord, tried: Set<string>): Promise<Peer | undefined> {
    const { heirs } = this.#parts
    return heirs && await orNothing(heirs.place(id, this.#parts.endpoint, tried))
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
    const { sessions, directory, endpoint, lives, events: { tracing: { tracer } } } = this.#parts
    const span = tracer?.adoption({ endpoint, session: sessionName(record.id), from: record.node, message: incoming.message })
    const make = (): Promise<LocalSession | undefined> => this.#inTime(arrival, sessions.adopt(record, arrival, incoming))
    const begun = performance.now()
    const facts = () => ({ id: record.id, endpoint, from: record.node, durationMs: Math.round(performance.now() - begun) })
    try {
      const session = await (span === undefined ? make() : span.run(make))
      span?.end({ outcome: session === undefined ? 'changed' : 'adopted' })
      if (session === undefined) return { outcome: 'changed' }
      lives.adopted(facts())
      return { outcome: 'adopted', session }
    } catch (cause) {
      const error = new AdoptionFailedError(cause instanceof Error ? cause.message : String(cause), { cause })
      span?.end({ outcome: 'failed', error })
      lives.adoptionFailed({ ...facts(), failures: record.adoptionFailures + 1, err: cause })
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
