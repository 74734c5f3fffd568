import { setTimeout } from 'node:timers/promises'
import { Limiter } from '../bounds/limiter.ts'
import { adoptionPause } from '../directory/adoption-pauses.ts'
import type { Location, SessionDirectory } from '../directory/directory.ts'
import type { SessionRecord } from '../directory/record.ts'
import type { Peer } from '../directory/tag-table.ts'
import { DirectoryUnavailableError } from '../errors.ts'
import type { Events } from '../events/events.ts'
import { sessionName, tagOf } from '../session-id.ts'
import type { Addressed } from '../sessions/incoming.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Adopted, Adoption } from './adoption.ts'
import type { Delegation } from './delegation.ts'
import type { Standing } from './evidence/owners.ts'
import { ownerOf, refusal, RETRY_AFTER } from './found.ts'
import type { Found, Undone } from './found.ts'
import type { Hops } from './hops.ts'
import { decide } from './misroute.ts'
import type { Decision, Policies } from './misroute.ts'
import type { Missing } from './missing.ts'

/** Waits before a session is looked for again whose owner says it is not, in milliseconds: it may be on its way to another. */
const LOOKS = [0, 50, 100, 200, 400]
/** Sessions that are looked for again at once. */
const LOOKS_AT_ONCE = 256
/** Between two tries to reach an owner, in milliseconds at least. */
const PAUSE = 50

/** Since when a request has been held for an owner that does not answer: performance.now(). */
interface Hold { since?: number }

export interface AffinityParts {
  /** The endpoint's name. */
  endpoint: string
  events: Events
  policies: Policies
  sessions: Sessions
  directory: SessionDirectory
  hops: Hops
  delegation: Delegation
  missing: Missing
  adoption: Adoption | undefined
  /** How long a request is held for an owner that does not answer: its lease and a beat, in milliseconds. */
  patience: number
}

/** Finds the sessions that are not here: forwards to their owners, adopts orphans, or says why not. */
export class Affinity {
  readonly #parts: AffinityParts
  readonly #looks = new Limiter(LOOKS_AT_ONCE)

  constructor (parts: AffinityParts) {
    this.#parts = parts
  }

  /** Finds the session of a request. */
  async find (incoming: Addressed): Promise<Found> {
    const hold: Hold = {}
    try {
      return await this.#seek(incoming, hold)
    } finally {
      if (hold.since !== undefined) this.#parts.events.emit('request.held', { endpoint: this.#parts.endpoint, session: sessionName(incoming.id), durationMs: performance.now() - hold.since })
    }
  }

  async #seek (incoming: Addressed, hold: Hold): Promise<Found> {
    const { sessions, directory, policies, patience, hops } = this.#parts
    const { id, caller: { key }, reply } = incoming
    hops.began(incoming)
    const asking = { principal: key, hop: incoming.hop }
    const by = askerOf(incoming)
    const until = performance.now() + patience
    let fresh = false
    let trouble: Error | undefined
    const tried = new Set<string>()
    for (let declined = 0; ;) {
      const session = await this.#arrived(incoming)
      if (session !== undefined) return { do: 'serve', session }
      await sessions.leaving(id)
      let location: Location
      try {
        location = fresh ? await this.#looks.run(() => directory.locate(id, { fresh, by })) : await directory.locate(id, { by })
      } catch (error) {
        if (!(error instanceof DirectoryUnavailableError)) throw error
        return this.#byTag(incoming, error)
      }
      // Whoever passed it on believes that the session is here, or is to come here: what is remembered of another owner is older than that.
      const doubted = incoming.hop && !fresh && location.status === 'misrouted'
      fresh = true
      if (doubted) continue
      const decision = decide(location, policies, asking)
      const outcome = await this.#follow(incoming, location, decision, tried)
      if ('do' in outcome) return outcome
      if (reply.raw.destroyed) return { do: 'nothing' }
      trouble = outcome.error ?? trouble
      const owner = ownerOf(location)
      const left = until - performance.now()
      if (outcome.now === 'moved' ? declined === LOOKS.length : left <= 0) return refusal('owner_unreachable', { owner, retryAfter: RETRY_AFTER, err: trouble })
      if (outcome.now === 'moved' || location.status === 'unknown') await setTimeout(LOOKS[declined++] ?? LOOKS.at(-1))
      // awaitBeat resolves at once for an owner whose beat has just come, or is missing already: without a pause this would spin.
      else {
        hold.since ??= performance.now()
        await Promise.all([directory.awaitBeat(location.record, left), setTimeout(PAUSE)])
      }
    }
  }

  /** Does what was decided. */
  async #follow (incoming: Addressed, location: Location, decision: Decision, tried: Set<string>): Promise<Found | Undone> {
    if (decision.do === 'forward') return this.#parts.hops.to(incoming, decision.url, decision.format)
    if (decision.do === 'adopt') return this.#adopt(incoming, decision.record, tried)
    if (decision.do === 'defer') return this.#defer(incoming, decision.record, decision.reader)
    const standing = await this.#parts.missing.standing(incoming, location, decision.reason)
    switch (standing.owner) {
      case 'gone': return refusal(decision.reason, { ...decision, owner: ownerOf(location) })
      case 'uncertain': return refusal('owner_unreachable', { owner: ownerOf(location), retryAfter: RETRY_AFTER, err: standing.error })
    }
    if (this.#parts.policies.misroute === 'forward') {
      const outcome = await this.#parts.hops.to(incoming, standing.url)
      // It has the session, and not for this caller: to him there is none.
      return 'now' in outcome && outcome.now === 'moved' ? refusal(decision.reason, { ...decision, owner: ownerOf(location) }) : outcome
    }
    const tag = tagOf(incoming.id)
    return refusal('misrouted', { owner: ownerOf(location), ...(tag !== undefined && { data: { node: tag } }) })
  }

  /**
   * Lets the owner answer, if it is known and can be reached: for what can be
   * done here as well. False: nothing was answered, or nobody knows whether it
   * was done.
   */
  async forwardOnce (incoming: Addressed): Promise<boolean> {
    const { id, caller: { key } } = incoming
    const { directory, policies, hops } = this.#parts
    if (!hops.may(incoming)) return false
    hops.began(incoming)
    let to: Array<{ url?: string | undefined, format?: number }> = []
    let missed: Standing | undefined
    try {
      const location = await directory.locate(id, { by: askerOf(incoming) })
      const decision = decide(location, policies, { principal: key, hop: false })
      if (decision.do === 'forward') to = [decision]
      else if (decision.do === 'defer') to = (await this.#parts.delegation.candidates(decision.reader)).slice(0, 1)
      else if (location.status === 'unknown') {
        missed = await this.#parts.missing.standing(incoming, location, 'unknown')
        if (missed.owner === 'holds' || missed.owner === 'lives') to = [missed]
      }
    } catch (error) {
      if (!(error instanceof DirectoryUnavailableError)) throw error
      to = this.#parts.missing.named(id)
    }
    const unreachable = (): Error => new DirectoryUnavailableError('the node that may hold the session cannot be asked')
    if (missed?.owner === 'uncertain') throw unreachable()
    for (const { url, format } of to) {
      if (url === undefined) continue
      const { outcome } = await hops.pass(incoming, url, format)
      if (outcome === 'answered') {
        hops.answered()
        return true
      }
      // Without a record nobody but that node can end it.
      if (missed?.owner === 'holds' && outcome !== 'declined') throw unreachable()
      if (outcome === 'lost') return false
    }
    return false
  }

  /** The caller's session, if it has come here meanwhile. Another principal's goes the way of one that is nowhere. */
  async #arrived ({ id, caller: { key } }: Addressed): Promise<LocalSession | undefined> {
    const { sessions } = this.#parts
    const session = sessions.get(id)
    if (session === undefined || session.principalKey !== key) return undefined
    return await sessions.secured(session) === false ? undefined : session
  }

  /** `tried`: ids of nodes that did not take it. */
  async #adopt (incoming: Addressed, record: SessionRecord, tried: Set<string>): Promise<Found | Undone> {
    const closing = this.#parts.sessions.state !== 'open'
    if (closing && incoming.hop) return refusal('not_owner')
    let adopted: Adopted
    try {
      adopted = await this.#parts.adoption!.adopt(record, incoming, tried)
    } catch (error) {
      if (!(error instanceof DirectoryUnavailableError)) throw error
      return refusal('directory_unavailable', { retryAfter: error.retryAfter, err: error })
    }
    switch (adopted.outcome) {
      // The lease may have lapsed while the application was busy with it.
      case 'adopted': return await this.#parts.sessions.secured(adopted.session) === false ? { now: 'moved' } : { do: 'serve', session: adopted.session }
      case 'owned': return incoming.hop ? refusal('not_owner') : this.#owned(incoming, adopted)
      case 'uncertain': return incoming.hop ? refusal('not_owner') : refusal('owner_unreachable', { owner: record.node, retryAfter: RETRY_AFTER, err: adopted.error })
      case 'changed': return { now: 'moved' }
      // Somebody else's attempt, whose request had not been passed on.
      case 'placed': return incoming.hop ? refusal('not_owner') : this.#passOn(incoming, adopted.peer, tried)
      case 'full': return this.#elsewhere(incoming, closing ? 'node_closing' : 'node_full')
      case 'failed': return refusal('adoption_failed', { retryAfter: Math.ceil(adoptionPause(record.adoptionFailures + 1) / 1000) || RETRY_AFTER, err: adopted.error })
    }
  }

  /** Another node takes the session: it said so a moment ago. */
  async #passOn (incoming: Addressed, { id, url, format }: Peer, tried: Set<string>): Promise<Found | Undone> {
    const outcome = await this.#parts.hops.to(incoming, url!, format)
    if ('do' in outcome) return outcome
    // It did not after all, or cannot be reached any more: the next that is named is another.
    tried.add(id)
    return { ...outcome, now: 'moved' }
  }

  /** The owner lives, whatever its heartbeat says. */
  async #owned (incoming: Addressed, { url, error }: { url: string, error?: Error }): Promise<Found | Undone> {
    const outcome = await this.#parts.hops.to(incoming, url)
    return 'now' in outcome && error !== undefined ? { ...outcome, error } : outcome
  }

  /** Only nodes of a newer format may adopt it: its owner, if it lives after all, or one of those. */
  async #defer (incoming: Addressed, record: SessionRecord, reader: number): Promise<Found | Undone> {
    const standing = await this.#parts.missing.standing(incoming, { status: 'orphaned', record }, 'orphaned')
    switch (standing.owner) {
      case 'gone': return this.#elsewhere(incoming, 'newer_format', reader)
      case 'uncertain': return refusal('owner_unreachable', { owner: record.node, retryAfter: RETRY_AFTER, err: standing.error })
      default: return this.#owned(incoming, standing)
    }
  }

  /** The session cannot be adopted here: another node may, first of all the one that asks. */
  async #elsewhere (incoming: Addressed, reason: 'node_closing' | 'node_full' | 'newer_format', format = 0): Promise<Found> {
    if (incoming.hop) return refusal('not_owner')
    return await this.#parts.delegation.delegate(incoming, format) ?? refusal(reason, { retryAfter: RETRY_AFTER })
  }

  /** Nobody can say where the session is: the node that opened it may still have it. */
  async #byTag (incoming: Addressed, error: InstanceType<typeof DirectoryUnavailableError>): Promise<Found> {
    const unavailable = refusal('directory_unavailable', { retryAfter: error.retryAfter, err: error })
    if (this.#parts.policies.misroute === 'reject' || incoming.hop) return unavailable
    for (const { url, format } of this.#parts.missing.named(incoming.id)) {
      if (url === undefined) continue
      const forwarded = await this.#parts.hops.to(incoming, url, format)
      // Nothing was done there: the next may have it.
      if ('do' in forwarded) return forwarded
    }
    return unavailable
  }
}

/** Who asks, as far as that is known: behind a proxy that is not trusted, all anonymous callers have one address. */
function askerOf ({ request, caller }: Addressed): string {
  return caller.principal === undefined ? request.ip : caller.key!
}
