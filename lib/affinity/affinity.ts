import { setTimeout } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DirectoryUnavailableError } from '../errors.ts'
import type { Principal } from '../security/principal.ts'
import { tagOf } from '../session-id.ts'
import type { Location, NodeStatus, SessionDirectory, SessionRecord } from '../sessions/directory.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { MessageExtra } from '../transport/extra.ts'
import type { Adopted, Adoption } from './adoption.ts'
import { HOP } from './forward-headers.ts'
import type { Forwarded, Forwarder } from './forwarder.ts'
import { Limiter } from './limiter.ts'
import { decide } from './misroute.ts'
import type { Policies } from './misroute.ts'
import type { OwnerWatch } from './owner-watch.ts'
import type { UnderWay } from './under-way.ts'

/** Seconds after which a client should try again where nobody knows better. */
export const RETRY_AFTER = 2
/** "That session is not mine": what a node answers to a forwarded request. */
const NOT_OWNER = 421
/** Waits before a session is looked for again whose owner says it is not, in milliseconds: it may be on its way to another. */
const LOOKS = [0, 50, 100, 200, 400]
/** Sessions that are looked for again at once. */
const LOOKS_AT_ONCE = 256
/** Other nodes that are tried for a session that does not fit here. */
const CANDIDATES = 3

/** Why a request for a session that is not here is refused. */
export type AffinityRefusal =
  | 'unknown' | 'misrouted' | 'orphaned' | 'not_owner' | 'owner_unreachable' | 'owner_lost'
  | 'adoption_failed' | 'newer_format' | 'node_full' | 'node_closing' | 'directory_unavailable'

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

export interface AffinityParts {
  policies: Policies
  sessions: Sessions
  directory: SessionDirectory
  forwarder: Forwarder | undefined
  /** Looks after the owners that are to answer. */
  watch?: OwnerWatch | undefined
  adoption: Adoption | undefined
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
    const until = performance.now() + patience
    let fresh = false
    for (let declined = 0; ;) {
      const session = await this.#arrived(errand)
      if (session !== undefined) return { do: 'serve', session }
      await sessions.leaving(id)
      let location: Location
      try {
        location = fresh ? await this.#looks.run(() => directory.locate(id, { fresh })) : await directory.locate(id)
      } catch (error) {
        if (!(error instanceof DirectoryUnavailableError)) throw error
        return this.#byTag(errand, error)
      }
      fresh = true
      const decision = decide(location, policies, asking)
      if (decision.do === 'refuse') return refusal(decision.reason, { ...decision, owner: ownerOf(location) })
      const { record } = decision
      if (decision.do === 'leave') return this.#elsewhere(errand, 'newer_format', decision.reader)
      const outcome = decision.do === 'forward' ? await this.#forward(errand, decision.url) : await this.#adopt(errand, record)
      if (typeof outcome === 'object') return outcome
      if (reply.raw.destroyed) return { do: 'nothing' }
      if (outcome === 'moved') {
        if (declined === LOOKS.length) return refusal('owner_unreachable', { owner: record.node, retryAfter: RETRY_AFTER })
        await setTimeout(LOOKS[declined++])
      } else {
        const left = until - performance.now()
        if (left <= 0) return refusal('owner_unreachable', { owner: record.node, retryAfter: RETRY_AFTER })
        await directory.watch(record, left)
      }
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
    for (const { url } of await this.#candidates(format)) {
      const forwarded = await this.#passOn({ request, reply, lastWords }, url!)
      if (forwarded.outcome === 'answered') return this.#counted()
      if (forwarded.outcome === 'lost') return refusal('owner_lost', { retryAfter: RETRY_AFTER, err: forwarded.error })
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
    let url: string | undefined
    try {
      const decision = decide(await directory.locate(id), policies, { principal: key, hop: false })
      if (decision.do === 'forward') url = decision.url
      if (decision.do === 'leave') url = (await this.#candidates(decision.reader))[0]?.url
    } catch (error) {
      if (!(error instanceof DirectoryUnavailableError)) throw error
      url = this.#urlOf(id)
    }
    if (url === undefined) return false
    const forwarded = await this.#passOn({ request, reply, lastWords: () => '' }, url)
    if (forwarded.outcome !== 'answered') return false
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

  async #forward (errand: Errand, url: string): Promise<Found | 'moved' | 'unreachable'> {
    return this.#outcome(errand, await this.#passOn(errand, url))
  }

  #passOn ({ request, reply, lastWords }: Pick<Errand, 'request' | 'reply' | 'lastWords'>, url: string): Promise<Forwarded> {
    const { forwarder, watch } = this.#parts
    const answer = forwarder!.forward(request, reply, url, { decline: status => status === NOT_OWNER, lastWords })
    return watch?.during(url, answer) ?? answer
  }

  #outcome ({ request }: Errand, forwarded: Forwarded): Found | 'moved' | 'unreachable' {
    switch (forwarded.outcome) {
      case 'answered': return this.#counted()
      case 'declined': return 'moved'
      case 'unreachable': return 'unreachable'
      // A stream may be opened twice.
      case 'lost': return request.method === 'GET' ? 'unreachable' : refusal('owner_lost', { retryAfter: RETRY_AFTER, err: forwarded.error })
    }
  }

  async #adopt (errand: Errand, record: SessionRecord): Promise<Found | 'moved' | 'unreachable'> {
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
      case 'adopted': return await this.#parts.sessions.secured(adopted.session) === false ? 'moved' : { do: 'serve', session: adopted.session }
      case 'owned': return isHop(errand.request) ? refusal('not_owner') : this.#forward(errand, adopted.url)
      case 'changed': return 'moved'
      case 'full': return this.#elsewhere(errand, 'node_full')
      case 'failed': return refusal('adoption_failed', { retryAfter: RETRY_AFTER, err: adopted.error })
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
    const url = this.#urlOf(errand.id)
    if (url === undefined || this.#parts.policies.misroute === 'reject' || isHop(errand.request)) return unavailable
    const forwarded = await this.#forward(errand, url)
    return typeof forwarded === 'object' ? forwarded : unavailable
  }

  /** Where the node is, or was, that the id names. */
  #urlOf (id: string): string | undefined {
    const tag = tagOf(id)
    return tag === undefined ? undefined : this.#parts.directory.lastSeen(tag)?.url
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
      .filter(({ id, url, state, room, format = 0 }) => format >= least && id !== sessions.node.id && url !== undefined && url !== sessions.node.url && state === 'up' && room > 0)
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

function ownerOf (location: Location): string | undefined {
  return location.status === 'unknown' ? undefined : location.record.node
}

function refusal (reason: AffinityRefusal, { data, retryAfter, owner, err }: { data?: { node: string }, retryAfter?: number, owner?: string | undefined, err?: unknown } = {}): Found {
  const log = { ...(owner !== undefined && reason !== 'unknown' && { owner }), ...(err !== undefined && { err }) }
  return { do: 'refuse', reason, log, ...(data && { data }), ...(retryAfter !== undefined && { retryAfter }) }
}
