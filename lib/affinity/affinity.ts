import { setTimeout } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DirectoryUnavailableError } from '../errors.ts'
import type { Principal } from '../security/principal.ts'
import { tagOf } from '../session-id.ts'
import { adoptionPause } from '../directory/adoption-pauses.ts'
import type { Location, SessionDirectory } from '../directory/directory.ts'
import type { NodeStatus } from '../directory/node.ts'
import type { SessionRecord } from '../directory/record.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { MessageExtra } from '../transport/extra.ts'
import type { Adopted, Adoption } from './adoption.ts'
import { HOP } from '../http/between-nodes.ts'
import type { AnswerHead, Forwarded, Forwarder } from './forwarding/forwarder.ts'
import { Limiter } from '../bounds/limiter.ts'
import { decide } from './misroute.ts'
import type { Decision, Policies } from './misroute.ts'
import type { Owners, Standing } from './evidence/owners.ts'
import type { OwnerWatch } from './evidence/frozen-owners.ts'
import type { UnderWay } from '../http/under-way.ts'

/** Seconds after which a client should try again where nobody knows better. */
export const RETRY_AFTER = 2
/** "That session is not mine": what a node answers to a forwarded request. */
const NOT_OWNER = 421
/** The oldest format whose nodes prove that an answer is theirs. */
const PROVES = 1
/** What the server of a node says of header fields that are more than it takes, in no words of ours. */
const FIELDS_TOO_LARGE = 431
/** Waits before a session is looked for again whose owner says it is not, in milliseconds: it may be on its way to another. */
const LOOKS = [0, 50, 100, 200, 400]
/** Sessions that are looked for again at once. */
const LOOKS_AT_ONCE = 256
/** Between two tries to reach an owner, in milliseconds at least. */
const PAUSE = 50
/** Other nodes that are tried for a session that does not fit here. */
const CANDIDATES = 3

/** Why a request for a session that is not here is refused. */
export type AffinityRefusal =
  | 'unknown' | 'misrouted' | 'orphaned' | 'not_owner' | 'owner_unreachable' | 'owner_lost'
  | 'adoption_failed' | 'newer_format' | 'headers_too_large' | 'node_full' | 'node_closing' | 'directory_unavailable'

/** A request for a session, and who sent it. */
export interface Errand {
  request: FastifyRequest
  reply: FastifyReply
  /** The session id. */
  id: string
  principal: Principal | undefined
  /** Key of the principal. */
  key: string | undefined
  extra: MessageExtra
  /** SSE frames for the client if the owner is lost in the middle of its answer. */
  lastWords: () => string
}

/** What came of looking for a session. */
export type Found =
  | { do: 'serve', session: LocalSession }
  /** Another node has answered. */
  | { do: 'nothing' }
  | { do: 'refuse', reason: AffinityRefusal, data?: { node: string }, retryAfter?: number, log?: Record<string, unknown> }

/** Nothing was answered: the session is not there any more, or its owner cannot be reached. */
interface Undone { now: 'moved' | 'unreachable', error?: Error }

export interface AffinityParts {
  policies: Policies
  sessions: Sessions
  directory: SessionDirectory
  forwarder: Forwarder | undefined
  /** Looks after the owners that are to answer. */
  watch?: OwnerWatch | undefined
  adoption: Adoption | undefined
  /** Finds out about owners that are missed in the directory; undefined where nothing is forwarded. */
  owners: Pick<Owners, 'recorded' | 'unrecorded'> | undefined
  /** How long a request is held for an owner that does not answer: its lease and a beat, in milliseconds. */
  patience: number
  forwarded: { count: number }
  /** What this node has others answer. */
  underWay: { calls: UnderWay, streams: UnderWay }
}

/** Finds the sessions that are not here: forwards to their owners, adopts orphans, or says why not. */
export class Affinity {
  readonly #parts: AffinityParts
  readonly #looks = new Limiter(LOOKS_AT_ONCE)

  constructor (parts: AffinityParts) {
    this.#parts = parts
  }

  /** Finds the session of a request. */
  async find (errand: Errand): Promise<Found> {
    const { sessions, directory, policies, patience } = this.#parts
    const { id, key, request, reply } = errand
    this.#began(errand)
    const asking = { principal: key, hop: isHop(request) }
    const by = callerOf(errand)
    const until = performance.now() + patience
    let fresh = false
    let trouble: Error | undefined
    for (let declined = 0; ;) {
      const session = await this.#arrived(errand)
      if (session !== undefined) return { do: 'serve', session }
      await sessions.leaving(id)
      let location: Location
      try {
        location = fresh ? await this.#looks.run(() => directory.locate(id, { fresh, by })) : await directory.locate(id, { by })
      } catch (error) {
        if (!(error instanceof DirectoryUnavailableError)) throw error
        return this.#byTag(errand, error)
      }
      fresh = true
      const decision = decide(location, policies, asking)
      const outcome = await this.#follow(errand, location, decision)
      if ('do' in outcome) return outcome
      if (reply.raw.destroyed) return { do: 'nothing' }
      trouble = outcome.error ?? trouble
      const owner = ownerOf(location)
      const left = until - performance.now()
      if (outcome.now === 'moved' ? declined === LOOKS.length : left <= 0) return refusal('owner_unreachable', { owner, retryAfter: RETRY_AFTER, err: trouble })
      if (outcome.now === 'moved' || location.status === 'unknown') await setTimeout(LOOKS[declined++] ?? LOOKS.at(-1))
      // Its beat may be missed while it cannot be reached: whoever waits for that does not wait without a pause.
      else await Promise.all([directory.watch(location.record, left), setTimeout(PAUSE)])
    }
  }

  /** Does what was decided. */
  async #follow (errand: Errand, location: Location, decision: Decision): Promise<Found | Undone> {
    if (decision.do === 'forward') return this.#forward(errand, decision.url, decision.format)
    if (decision.do === 'adopt') return this.#adopt(errand, decision.record)
    if (decision.do === 'leave') return this.#leave(errand, decision.record, decision.reader)
    const standing = await this.#missed(errand, location, decision.reason)
    switch (standing.owner) {
      case 'gone': return refusal(decision.reason, { ...decision, owner: ownerOf(location) })
      case 'uncertain': return refusal('owner_unreachable', { owner: ownerOf(location), retryAfter: RETRY_AFTER, err: standing.error })
    }
    if (this.#parts.policies.misroute === 'forward') {
      const outcome = await this.#forward(errand, standing.url)
      // It has the session, and not for this caller: to him there is none.
      return 'now' in outcome && outcome.now === 'moved' ? refusal(decision.reason, { ...decision, owner: ownerOf(location) }) : outcome
    }
    const tag = tagOf(errand.id)
    return refusal('misrouted', { owner: ownerOf(location), ...(tag !== undefined && { data: { node: tag } }) })
  }

  /**
   * Before anybody is told that a session is nowhere: the node that its record names, or its id, may hold
   * it though Redis has lost its record, or its node's heartbeat.
   */
  async #missed ({ id, key, request }: Pick<Errand, 'id' | 'key' | 'request'>, location: Location, reason: AffinityRefusal): Promise<Standing> {
    const { owners } = this.#parts
    const gone = { owner: 'gone' } as const
    if (owners === undefined || isHop(request)) return gone
    // Somebody else's is looked for as if it had no record, so that nothing tells it from one that is nowhere.
    const mine = location.status !== 'unknown' && location.record.principal === key
    if (location.status === 'orphaned' && mine) return reason === 'orphaned' && location.record.released !== true ? owners.recorded(location.record) : gone
    if (mine || (location.status === 'unknown' && location.ended === true)) return gone
    const node = this.#named(id)
    if (node?.url === undefined || node.url === this.#parts.sessions.node.url) return gone
    return owners.unrecorded(id, { id: node.id, url: node.url, format: node.format, beats: () => this.#beats(node.id) })
  }

  /** Whether a node is alive, or nobody can say. */
  async #beats (id: string): Promise<boolean> {
    try {
      return await this.#parts.directory.beats(id)
    } catch (error) {
      if (error instanceof DirectoryUnavailableError) return true
      throw error
    }
  }

  /**
   * Lets another node take what does not fit here: the one with the most room,
   * or the next, of this format or newer. Undefined: there is none, and nothing was answered.
   */
  async delegate ({ request, reply, lastWords }: Pick<Errand, 'request' | 'reply' | 'lastWords'>, format = 0): Promise<Found | undefined> {
    const { forwarder } = this.#parts
    if (forwarder === undefined || isHop(request)) return undefined
    this.#began({ request, reply })
    for (const candidate of await this.#candidates(format)) {
      const forwarded = await this.#passOn({ request, reply, lastWords }, candidate.url!, candidate.format)
      if (forwarded.outcome === 'answered') return this.#counted()
      if (forwarded.outcome === 'lost') return refusal('owner_lost', { retryAfter: RETRY_AFTER, err: forwarded.error })
      if (isTooLarge(forwarded)) return refusal('headers_too_large')
    }
    return undefined
  }

  /**
   * Lets the owner answer, if it is known and can be reached: for what can be
   * done here as well. False: nothing was answered, or nobody knows whether it
   * was done.
   */
  async forwardOnce ({ request, reply, id, key }: Pick<Errand, 'request' | 'reply' | 'id' | 'key'>): Promise<boolean> {
    const { directory, policies, forwarder } = this.#parts
    if (forwarder === undefined || isHop(request)) return false
    this.#began({ request, reply })
    let to: { url?: string | undefined, format?: number } | undefined
    let missed: Standing | undefined
    try {
      const location = await directory.locate(id, { by: callerOf({ request, key }) })
      const decision = decide(location, policies, { principal: key, hop: false })
      if (decision.do === 'forward') to = decision
      else if (decision.do === 'leave') to = (await this.#candidates(decision.reader))[0]
      else if (location.status === 'unknown') {
        missed = await this.#missed({ id, key, request }, location, 'unknown')
        if (missed.owner === 'holds' || missed.owner === 'lives') to = missed
      }
    } catch (error) {
      if (!(error instanceof DirectoryUnavailableError)) throw error
      to = this.#named(id)
    }
    const unreachable = (): Error => new DirectoryUnavailableError('the node that may hold the session cannot be asked')
    if (missed?.owner === 'uncertain') throw unreachable()
    if (to?.url === undefined) return false
    const forwarded = await this.#passOn({ request, reply, lastWords: () => '' }, to.url, to.format)
    if (forwarded.outcome !== 'answered') {
      // Without a record nobody but that node can end it.
      if (missed?.owner === 'holds' && forwarded.outcome !== 'declined') throw unreachable()
      return false
    }
    this.#counted()
    return true
  }

  #began ({ request, reply }: Pick<Errand, 'request' | 'reply'>): void {
    const { calls, streams } = this.#parts.underWay
    const kind = request.method === 'GET' ? streams : calls
    kind.add(reply.raw)
  }

  /** The caller's session, if it has come here meanwhile. Another principal's goes the way of one that is nowhere. */
  async #arrived ({ id, key }: Errand): Promise<LocalSession | undefined> {
    const { sessions } = this.#parts
    const session = sessions.get(id)
    if (session === undefined || session.principalKey !== key) return undefined
    return await sessions.secured(session) === false ? undefined : session
  }

  /** `format`: of the node there, where it is known. */
  async #forward (errand: Errand, url: string, format?: number): Promise<Found | Undone> {
    return this.#outcome(errand, await this.#passOn(errand, url, format))
  }

  async #passOn ({ request, reply, lastWords }: Pick<Errand, 'request' | 'reply' | 'lastWords'>, url: string, format = 0): Promise<Forwarded> {
    const { forwarder, watch } = this.#parts
    watch?.wake()
    const decline = (answer: AnswerHead): boolean => isBetweenNodes(answer.status) || (format >= PROVES && isStrange(answer))
    const forwarded = await forwarder!.forward(request, reply, url, { decline, lastWords })
    if (forwarded.outcome !== 'declined' || forwarded.proven === true || format < PROVES || isTooLarge(forwarded)) return forwarded
    const error = new Error(`something that is no node of this cluster answered the request, with status ${forwarded.status}`)
    // A proxy in between may say that of what it has passed on.
    return { outcome: forwarded.status >= 500 ? 'lost' : 'unreachable', error }
  }

  #outcome ({ request }: Errand, forwarded: Forwarded): Found | Undone {
    switch (forwarded.outcome) {
      case 'answered': return this.#counted()
      // "That session is not mine."
      case 'declined': return isTooLarge(forwarded) ? refusal('headers_too_large') : { now: 'moved' }
      case 'unreachable': return { now: 'unreachable', error: forwarded.error }
      // A stream may be opened twice.
      case 'lost': return request.method === 'GET' ? { now: 'unreachable', error: forwarded.error } : refusal('owner_lost', { retryAfter: RETRY_AFTER, err: forwarded.error })
    }
  }

  async #adopt (errand: Errand, record: SessionRecord): Promise<Found | Undone> {
    if (this.#parts.sessions.state !== 'open') return this.#elsewhere(errand, 'node_closing')
    let adopted: Adopted
    try {
      adopted = await this.#parts.adoption!.adopt(record, errand)
    } catch (error) {
      if (!(error instanceof DirectoryUnavailableError)) throw error
      return refusal('directory_unavailable', { retryAfter: error.retryAfter, err: error })
    }
    switch (adopted.outcome) {
      // The lease may have lapsed while the application was busy with it.
      case 'adopted': return await this.#parts.sessions.secured(adopted.session) === false ? { now: 'moved' } : { do: 'serve', session: adopted.session }
      case 'owned': return isHop(errand.request) ? refusal('not_owner') : this.#owned(errand, adopted)
      case 'uncertain': return isHop(errand.request) ? refusal('not_owner') : refusal('owner_unreachable', { owner: record.node, retryAfter: RETRY_AFTER, err: adopted.error })
      case 'changed': return { now: 'moved' }
      case 'full': return this.#elsewhere(errand, 'node_full')
      case 'failed': return refusal('adoption_failed', { retryAfter: Math.ceil(adoptionPause(record.adoptionFailures + 1) / 1000) || RETRY_AFTER, err: adopted.error })
    }
  }

  /** The owner lives, whatever its heartbeat says. */
  async #owned (errand: Errand, { url, error }: { url: string, error?: Error }): Promise<Found | Undone> {
    const outcome = await this.#forward(errand, url)
    return 'now' in outcome && error !== undefined ? { ...outcome, error } : outcome
  }

  /** Only nodes of a newer format may adopt it: its owner, if it lives after all, or one of those. */
  async #leave (errand: Errand, record: SessionRecord, reader: number): Promise<Found | Undone> {
    const standing = await this.#missed(errand, { status: 'orphaned', record }, 'orphaned')
    switch (standing.owner) {
      case 'gone': return this.#elsewhere(errand, 'newer_format', reader)
      case 'uncertain': return refusal('owner_unreachable', { owner: record.node, retryAfter: RETRY_AFTER, err: standing.error })
      default: return this.#owned(errand, standing)
    }
  }

  /** The session cannot be adopted here: another node may, first of all the one that asks. */
  async #elsewhere (errand: Errand, reason: 'node_closing' | 'node_full' | 'newer_format', format = 0): Promise<Found> {
    if (isHop(errand.request)) return refusal('not_owner')
    return await this.delegate(errand, format) ?? refusal(reason, { retryAfter: RETRY_AFTER })
  }

  /** Nobody can say where the session is: the node that opened it may still have it. */
  async #byTag (errand: Errand, error: InstanceType<typeof DirectoryUnavailableError>): Promise<Found> {
    const unavailable = refusal('directory_unavailable', { retryAfter: error.retryAfter, err: error })
    const node = this.#named(errand.id)
    if (node?.url === undefined || this.#parts.policies.misroute === 'reject' || isHop(errand.request)) return unavailable
    const forwarded = await this.#forward(errand, node.url, node.format)
    return 'do' in forwarded ? forwarded : unavailable
  }

  /** The node that the id names, as it was seen last. */
  #named (id: string): NodeStatus | undefined {
    const tag = tagOf(id)
    return tag === undefined ? undefined : this.#parts.directory.lastSeen(tag)
  }

  async #candidates (least: number): Promise<NodeStatus[]> {
    const { directory, sessions } = this.#parts
    let nodes: NodeStatus[]
    try {
      nodes = await directory.nodes()
    } catch (error) {
      if (error instanceof DirectoryUnavailableError) return []
      throw error
    }
    return nodes
      .filter(({ id, url, state, room, format }) => format >= least && id !== sessions.node.id && url !== undefined && url !== sessions.node.url && state === 'up' && room > 0)
      .sort((a, b) => b.room - a.room || a.sessions - b.sessions)
      .slice(0, CANDIDATES)
  }

  #counted (): Found {
    this.#parts.forwarded.count++
    return { do: 'nothing' }
  }
}

/** Whether another node has forwarded the request already. A client that says so only denies itself forwarding. */
export function isHop (request: FastifyRequest): boolean {
  return request.headers[HOP] !== undefined
}

/** Whether an answer is meant for the node that passed the request on. */
function isBetweenNodes (status: number): boolean {
  return status === NOT_OWNER || status === FIELDS_TOO_LARGE
}

/**
 * Whether an answer may harm its client and is of somebody else, at the address of a node that is gone or before
 * one: a stranger's 404 would end the session. An event stream and JSON are an owner's that does not know our secret yet.
 */
function isStrange ({ status, headers, proven }: AnswerHead): boolean {
  const ofMcp = status === 202 || (status < 300 && /^(application\/json|text\/event-stream)\b/.test(headers['content-type'] ?? ''))
  return !ofMcp && proven() === false
}

/** The fields that the application's hooks made leave no room for those of the hop. */
function isTooLarge (forwarded: Forwarded): boolean {
  return forwarded.outcome === 'declined' && forwarded.status === FIELDS_TOO_LARGE
}

/** Who asks, as far as that is known: behind a proxy that is not trusted, all anonymous callers have one address. */
function callerOf ({ request, key }: Pick<Errand, 'request' | 'key'>): string {
  return key ?? request.ip
}

function ownerOf (location: Location): string | undefined {
  return location.status === 'unknown' ? undefined : location.record.node
}

function refusal (reason: AffinityRefusal, { data, retryAfter, owner, err }: { data?: { node: string }, retryAfter?: number, owner?: string | undefined, err?: unknown } = {}): Found {
  const log = { ...(owner !== undefined && reason !== 'unknown' && { owner }), ...(err !== undefined && { err }) }
  return { do: 'refuse', reason, log, ...(data && { data }), ...(retryAfter !== undefined && { retryAfter }) }
}
