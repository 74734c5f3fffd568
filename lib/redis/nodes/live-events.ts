import { EVENT_KINDS } from '../../events/channels.ts'
import { onEventOf } from '../../events/of-node.ts'
import type { EventKind } from '../../events/kinds.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import { publish } from '../scripts/node-scripts.ts'

/** Those of every call, which are many: they are told only to who asks for them. */
export const CALL_KINDS: readonly EventKind[] = ['request.done', 'forward.done']
/** For how long a node tells after it was asked the last time, in milliseconds. */
const ASKED = 30_000
/** Milliseconds between two messages, and events in one. */
const GATHER = 100
const MOST = 500

/** What a node tells: nothing but its id at first. `more`: events beyond those. `at`: milliseconds since the Unix epoch. */
export interface LiveMessage { node: string, events: object[], more: number }

interface LiveEventsParts {
  link: Pick<Link, 'run'>
  keys: Pick<Keys, 'live'>
  /** `node.id` of this node. */
  node: string
  /** For the log alone: nothing hangs on it. */
  onFailed: (err: unknown) => void
}

/** Publishes the events of a node while somebody watches it (`fastify-mcp-sticky events`), and costs nothing while nobody does. */
export class LiveEvents {
  readonly #parts: LiveEventsParts
  readonly #ends = new Map<EventKind, () => void>()
  /** When nobody watches any more, and when nobody watches calls. */
  #over: NodeJS.Timeout | undefined
  #callsOver: NodeJS.Timeout | undefined
  #stopped = false
  #soon: NodeJS.Timeout | undefined
  #events: object[] = []
  #more = 0

  constructor (parts: LiveEventsParts) {
    this.#parts = parts
  }

  /** Somebody watches: events are told for 30 s from now. `calls`: those of every call too. */
  asked (calls: boolean): void {
    if (this.#stopped) return
    clearTimeout(this.#over)
    this.#over = setTimeout(() => this.#end(EVENT_KINDS), ASKED).unref()
    if (calls) {
      clearTimeout(this.#callsOver)
      this.#callsOver = setTimeout(() => this.#end(CALL_KINDS), ASKED).unref()
    }
    const kinds = EVENT_KINDS.filter(kind => calls || !CALL_KINDS.includes(kind))
    for (const kind of kinds) if (!this.#ends.has(kind)) this.#ends.set(kind, onEventOf(this.#parts.node, kind, event => this.#take(event)))
    this.#send()
  }

  /** For good. */
  stop (): void {
    this.#stopped = true
    clearTimeout(this.#over)
    clearTimeout(this.#callsOver)
    this.#end(EVENT_KINDS)
  }

  #end (kinds: readonly EventKind[]): void {
    if (this.#soon !== undefined) this.#send()
    for (const kind of kinds) {
      this.#ends.get(kind)?.()
      this.#ends.delete(kind)
    }
  }

  #take (event: object): void {
    if (this.#events.length < MOST) this.#events.push({ at: Date.now(), ...event })
    else this.#more++
    this.#soon ??= setTimeout(() => this.#send(), GATHER).unref()
  }

  #send (): void {
    clearTimeout(this.#soon)
    this.#soon = undefined
    const { link, keys, node, onFailed } = this.#parts
    const message: LiveMessage = { node, events: this.#events, more: this.#more }
    this.#events = []
    this.#more = 0
    link.run(publish, keys.live, [JSON.stringify(message)]).catch(onFailed)
  }
}
