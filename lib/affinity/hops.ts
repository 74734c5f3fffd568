import type { Counting } from '../counters.ts'
import { askedFor } from '../events/asked-for.ts'
import type { Events } from '../events/events.ts'
import type { FrozenOwners } from './evidence/frozen-owners.ts'
import type { Incoming } from '../sessions/incoming.ts'
import { sessionName } from '../session-id.ts'
import type { RequestId } from '../transport/messages.ts'
import { refusal, RETRY_AFTER } from './found.ts'
import type { Found, Undone } from './found.ts'
import type { AnswerHead, Forwarded, Forwarder } from './forwarding/forwarder.ts'
import type { UnderWay } from '../http/under-way.ts'

/** "That session is not mine": what a node answers to a forwarded request. */
const NOT_OWNER = 421
/** The oldest format whose nodes prove that an answer is theirs. */
const PROVES = 1
/** What the server of a node says of header fields that are more than it takes, in no words of ours. */
const FIELDS_TOO_LARGE = 431

interface HopsParts {
  /** The name of the one whose requests are passed on: the node there answers for it alone. */
  endpoint: string
  /** Undefined where nothing is forwarded. */
  forwarder: Forwarder | undefined
  /** Looks after the owners that are to answer. */
  frozenOwners?: FrozenOwners | undefined
  counters: Counting<'forwarded'>
  events: Events
  /** SSE frames for a client whose owner is lost in the middle of its answer to these requests. */
  lastWords: (ids: readonly RequestId[]) => string
  /** What clients of this endpoint are told with a 401 or 403 of another node, which may be one that knows of no tokens. */
  challenged?: ((status: number, present: unknown) => string | undefined) | undefined
  /** What this node has others answer. */
  underWay: { calls: UnderWay, streams: UnderWay }
}

/** Has other nodes answer requests, and judges what comes of it. */
export class Hops {
  readonly #parts: HopsParts

  constructor (parts: HopsParts) {
    this.#parts = parts
  }

  /** Whether this node lets others answer a request. */
  may (incoming: Incoming): boolean {
    return this.#parts.forwarder !== undefined && !incoming.hop
  }

  /** A request has come that another node may have to answer. */
  began ({ request, reply }: Incoming): void {
    const { calls, streams } = this.#parts.underWay
    const kind = request.method === 'GET' ? streams : calls
    kind.add(reply.raw)
  }

  /** Lets the node at `url` answer. */
  async to (incoming: Incoming, url: string, format?: number): Promise<Found | Undone> {
    return this.#outcome(incoming, await this.pass(incoming, url, format))
  }

  /** Lets the first of these nodes answer that does, none of which must. Undefined: none did, and nothing was answered. */
  async toAny (incoming: Incoming, nodes: ReadonlyArray<{ url?: string | undefined, format: number }>): Promise<Found | undefined> {
    for (const { url, format } of nodes) {
      const forwarded = await this.pass(incoming, url!, format)
      if (forwarded.outcome === 'answered') return this.answered()
      if (forwarded.outcome === 'lost') return refusal('owner_lost', { retryAfter: RETRY_AFTER, err: forwarded.error })
      if (isTooLarge(forwarded)) return refusal('headers_too_large')
    }
    return undefined
  }

  /** Passes a request on, once; its answer goes to the client, unless it is meant for this node (`isBetweenNodes`) or no node of ours gave it. `format`: of the node there, where it is known. */
  async pass (incoming: Incoming, url: string, format = 0): Promise<Forwarded> {
    const { endpoint, events } = this.#parts
    const begun = events.heard('forward.done') ? performance.now() : 0
    const forwarded = await this.#traced(incoming, url, format)
    if (begun > 0) {
      const { id, message } = incoming
      const session = typeof id === 'string' && { session: sessionName(id) }
      events.emit('forward.done', { endpoint, ...session, ...askedFor(message), to: url, outcome: forwarded.outcome, durationMs: performance.now() - begun })
    }
    return forwarded
  }

  /** Of a call, in a span of its own. */
  async #traced (incoming: Incoming, to: string, format: number): Promise<Forwarded> {
    const { endpoint, events: { tracing: { tracer } } } = this.#parts
    if (tracer === undefined || incoming.ids.length === 0) return this.#pass(incoming, to, format)
    const { id, message } = incoming
    const hop = tracer.hop({ endpoint, session: typeof id === 'string' ? sessionName(id) : undefined, message, to })
    const forwarded = await hop.run(() => this.#pass(incoming, to, format, hop.trace))
    hop.end(forwarded)
    return forwarded
  }

  async #pass ({ request, reply, ids }: Incoming, url: string, format: number, trace?: string): Promise<Forwarded> {
    const { endpoint, forwarder, frozenOwners, challenged } = this.#parts
    frozenOwners?.wake()
    const decline = (answer: AnswerHead): boolean => isBetweenNodes(answer.status) || (format >= PROVES && isStrange(answer))
    const forwarded = await forwarder!.forward(request, reply, url, { endpoint, trace, decline, challenged, lastWords: () => this.#parts.lastWords(ids) })
    if (forwarded.outcome !== 'declined' || forwarded.proven === true || format < PROVES || isTooLarge(forwarded)) return forwarded
    const error = new Error(`something that is no node of this cluster answered the request, with status ${forwarded.status}`)
    // A proxy in between may say that of what it has passed on.
    return { outcome: forwarded.status >= 500 ? 'lost' : 'unreachable', error }
  }

  #outcome ({ request }: Incoming, forwarded: Forwarded): Found | Undone {
    switch (forwarded.outcome) {
      case 'answered': return this.answered()
      // "That session is not mine."
      case 'declined': return isTooLarge(forwarded) ? refusal('headers_too_large') : { now: 'moved' }
      case 'unreachable': return { now: 'unreachable', error: forwarded.error }
      // A stream may be opened twice.
      case 'lost': return request.method === 'GET' ? { now: 'unreachable', error: forwarded.error } : refusal('owner_lost', { retryAfter: RETRY_AFTER, err: forwarded.error })
    }
  }

  /** Another node has answered a client. */
  answered (): Found {
    this.#parts.counters.forwarded++
    return { do: 'nothing' }
  }
}

/** Whether an answer is meant for the node that passed the request on. */
function isBetweenNodes (status: number): boolean {
  return status === NOT_OWNER || status === FIELDS_TOO_LARGE
}

/**
 * Whether an answer may harm its client and is not from a node of ours, but from whoever has come to a dead node's
 * address, or stands in front of a living one: a stranger's 404 would end the session. An event stream, JSON with a
 * status below 300, or a 202 may come from an owner that does not know our secret yet: they pass.
 */
function isStrange ({ status, headers, proven }: AnswerHead): boolean {
  const ofMcp = status === 202 || (status < 300 && /^(application\/json|text\/event-stream)\b/.test(headers['content-type'] ?? ''))
  return !ofMcp && proven() === false
}

/** The fields that the application's hooks made leave no room for those of the hop. */
export function isTooLarge (forwarded: Forwarded): boolean {
  return forwarded.outcome === 'declined' && forwarded.status === FIELDS_TOO_LARGE
}
