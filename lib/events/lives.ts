import type { EndedBy, Step, Trails } from '../directory/trails.ts'
import { sessionName } from '../session-id.ts'
import type { Events } from './events.ts'

interface LivesParts {
  /** `node.id` of this node. */
  node: string
  events: Events
  trails: Pick<Trails, 'note'>
}

/** A session, as far as it is told of. `endpoint`: by its name. */
interface Told { id: string, endpoint: string, createdAt: number }

/** Tells what becomes of the sessions of a node: to its log and subscribers, and for the operators of the cluster. */
export class Lives {
  readonly #parts: LivesParts

  constructor (parts: LivesParts) {
    this.#parts = parts
  }

  opened ({ id, endpoint, protocolVersion, clientInfo: { name, version } }: Omit<Told, 'createdAt'> & { protocolVersion: string, clientInfo: { name: string, version: string } }): void {
    this.#parts.events.emit('session.opened', { endpoint, session: sessionName(id), protocolVersion, clientName: short(name), clientVersion: short(version) })
    this.#note(id, endpoint, { what: 'opened' })
  }

  /** `from`: the node that had it. `durationMs`: what that took. */
  adopted ({ id, endpoint, from, durationMs }: Omit<Told, 'createdAt'> & { from: string, durationMs: number }): void {
    this.#parts.events.emit('session.adopted', { endpoint, session: sessionName(id), from, durationMs })
    this.#note(id, endpoint, { what: 'adopted', from })
  }

  /** For the `failures`th time. */
  adoptionFailed ({ id, endpoint, from, durationMs, failures, err }: Omit<Told, 'createdAt'> & { from: string, durationMs: number, failures: number, err: unknown }): void {
    this.#parts.events.emit('session.adoption_failed', { endpoint, session: sessionName(id), from, durationMs, failures }, { besides: { err } })
  }

  handedOver ({ id, endpoint, createdAt }: Told): void {
    this.#parts.events.emit('session.handed_over', { endpoint, session: sessionName(id), durationMs: since(createdAt) })
    this.#note(id, endpoint, { what: 'handed_over' })
  }

  ended ({ id, endpoint, createdAt }: Told, reason: Exclude<EndedBy, 'node_lost'>): void {
    this.#parts.events.emit('session.ended', { endpoint, session: sessionName(id), reason, durationMs: since(createdAt) })
    // Whoever has taken it goes on, and the trail with it.
    if (reason !== 'taken') this.#note(id, endpoint, { what: 'ended', reason })
  }

  #note (id: string, endpoint: string, step: Pick<Step, 'what' | 'from' | 'reason'>): void {
    this.#parts.trails.note(id, { ...step, at: Date.now(), node: this.#parts.node, endpoint })
  }
}

/** Milliseconds since a time of another clock, perhaps. */
function since (at: number): number {
  return Math.max(0, Date.now() - at)
}

/** A client may call itself anything. */
function short (name: string): string {
  return String(name).slice(0, 64)
}
