import { BEATS } from '../../../lib/beats.ts'
import type { FakeRedis } from './fake-redis.ts'
import { HEARTBEAT } from './node.ts'
import type { Answer, ModelNode } from './node.ts'
import type { World } from './world.ts'

/** For so long after Redis has lost something, or a session was closed, a node need not have heard of it. */
const LEASE = BEATS.lease * HEARTBEAT
/** After so many adoptions that failed nobody tries another. */
const ATTEMPTS = 3

/** What the model knows of a session that a client was told of. */
export interface Known {
  id: string
  name: string
  /** The newest server object that has answered. */
  newest: number
  /** A close was asked for. */
  closing: boolean
  /** It was acknowledged by this node. */
  closedBy?: ModelNode
  /** Since then nothing can bring it back: it is closed, and Redis has been seen without its record. */
  gone?: number
  /** Its record was in Redis. */
  recorded: boolean
  /** Until then nobody may know who owns it. */
  lostUntil: number
  /** Nobody knows any more that another node than its owner may have it. */
  forgotten: boolean
}

/**
 * The reference model: what clients and records have shown of each session, and
 * what may therefore not be seen any more.
 * 1. No server object answers after a newer one has: a session has one owner.
 * 2. A session that nobody closed is known, and its record stays.
 * 3. A session that was closed stays so.
 * 4. When all is well again, each session answers on every node, from one owner.
 * 5. A node that lost its lease asks for each session, unless Redis is known not to answer: from the first answer on it does.
 * The one excuse: a node to which Redis does not say whose a session is may
 * serve it (`unsure`).
 */
export class Model {
  readonly sessions = new Map<string, Known>()
  readonly violations: string[] = []
  unsure = 0
  readonly #world: World
  readonly #redis: FakeRedis
  readonly #say: (what: string) => void

  constructor (world: World, redis: FakeRedis, say: (what: string) => void) {
    this.#world = world
    this.#redis = redis
    this.#say = say
  }

  /** A client was told of a session. */
  opened (id: string): Known {
    const recorded = this.#redis.records.has(id)
    const session: Known = { id, name: `s${this.sessions.size + 1}`, newest: 0, closing: false, recorded, lostUntil: 0, forgotten: false }
    this.sessions.set(id, session)
    return session
  }

  /** A client was told that its session is closed. */
  closed (session: Known, by: ModelNode): void {
    session.closedBy ??= by
    this.#lookAt(session)
  }

  /**
   * What Redis has lost it cannot say: who claimed a session last, from whom,
   * and that one was closed. Whoever has a session still writes it again, and
   * the first who does is its owner. Until a lease has passed an owner that has
   * not heard of it may answer as well. A frozen node of which it was known
   * that it may have a session that others have taken over is forgotten: when
   * that session is closed, nobody tells it. So is what was asked of an owner
   * that has not seen it yet.
   */
  emptied (nodes: ModelNode[]): void {
    for (const session of this.sessions.values()) {
      const owner = this.#redis.records.get(session.id)?.node
      const holders = nodes.filter(node => node.sessions.has(session.id) || node.identity.id === owner)
      session.forgotten ||= session.closing || holders.length > 1
      session.recorded = false
      delete session.gone
      delete session.closedBy
      session.lostUntil = this.#world.now + LEASE
      session.newest = 0
    }
  }

  /** `recorded`: when the client asked. */
  answered (session: Known, node: ModelNode, answer: Answer | undefined, recorded: boolean): void {
    if (answer?.status !== 404 || session.closing) return
    const failures = this.#redis.records.get(session.id)?.adoptionFailures ?? 0
    if (answer.reason === 'orphaned' && failures >= ATTEMPTS) return
    if (recorded && session.recorded) this.#violated(2, `${session.name} was open, and ${node.identity.id} said ${answer.reason}`)
  }

  /** Invariants 1 and 3, at the moment when an answer leaves its node. */
  answering (id: string, serial: number, node: ModelNode): void {
    const session = this.sessions.get(id)
    if (node.directory.unasked) this.#violated(5, `${node.identity.id} answers without asking a directory that has answered`)
    if (session === undefined || (session.forgotten && session.closedBy !== undefined)) return
    // Whoever answers without certainty proves nothing about the others.
    if (node.directory.unsure.has(id)) {
      this.unsure++
      return
    }
    // An owner learns of it when it beats, or asks whether the session is still its own.
    if (session.gone !== undefined && this.#world.now > session.gone + LEASE) {
      this.#violated(3, `${session.name} is closed, and server ${serial} on ${node.identity.incarnation} answers for it`)
    }
    if (this.#world.now < session.lostUntil) return
    if (serial < session.newest) {
      this.#violated(1, `${session.name} was answered by server ${serial} on ${node.identity.incarnation}, after ${session.newest}`)
    }
    session.newest = Math.max(session.newest, serial)
  }

  /** Looks at what is in Redis. */
  look (): void {
    for (const session of this.sessions.values()) this.#lookAt(session)
  }

  #lookAt (session: Known): void {
    if (this.#redis.records.has(session.id)) {
      if (session.gone !== undefined) this.#violated(3, `${session.name} is closed, and its record is back`)
      session.recorded = true
    } else if (session.closedBy !== undefined) {
      if (session.recorded && !session.forgotten) session.gone ??= this.#world.now
    } else if (session.recorded && !session.closing) this.#violated(2, `the record of ${session.name} is gone, and nobody closed it`)
  }

  /** All is well again. Whether the session must answer. */
  healed (session: Known, nodes: ModelNode[]): boolean {
    const { id, name } = session
    const record = this.#redis.records.get(id)
    // A node that could not say so before its end has taken the close with it.
    if ((session.closedBy?.serving === true && !session.forgotten) || session.gone !== undefined) {
      if (record !== undefined) this.#violated(3, `${name} is closed, and its record is there`)
      if (nodes.some(node => node.sessions.has(id))) this.#violated(3, `${name} is closed, and it lives`)
    }
    return !session.closing && record !== undefined && record.adoptionFailures < ATTEMPTS
  }

  /** A session that must answer was asked for on each node; `answers` has undefined where nothing came. */
  final ({ id, name }: Known, answers: Array<{ node: ModelNode, answer: Answer | undefined }>): void {
    for (const { node, answer } of answers) {
      if (answer?.serial === undefined) this.#violated(4, `${name} does not answer at ${node.identity.id}: ${answer?.reason ?? 'nothing'}`)
    }
    const owners = answers.filter(({ node }) => node.sessions.has(id))
    if (owners.length !== 1) this.#violated(4, `${name} has ${owners.length} owners: ${owners.map(({ node }) => node.identity.id).join()}`)
  }

  #violated (invariant: number, what: string): void {
    this.#say(`VIOLATED ${invariant}: ${what}`)
    this.violations.push(`invariant ${invariant}: ${what}`)
  }
}
