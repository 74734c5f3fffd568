import type { Keys } from '../keys.ts'
import type { Call, Link } from '../link/link.ts'
import { addToSet, deleteKey, readSet, removeFromSet } from '../scripts/node-scripts.ts'
import type { Unreadable } from '../link/unreadable.ts'

/** A node that doesn't look for a day is gone. */
const LIFE = 24 * 3600 * 1000
const BATCH = 1000

/** What an operator asks of a node: to drain, to tell its events for a while, or those of every call too, or to look at the others. */
export type Wish = 'drain' | 'events' | 'calls' | 'look'

/** The entry, which is no id of a session, that asks for something. `of`: the incarnation that is meant, for `look` the token by which who asks knows the answer. */
export function wishEntry (wish: Wish, of: string): string {
  return `*${wish} ${of}`
}

/** What an entry asks for, which may be something that only newer nodes know. Undefined: it is the id of a session. */
export function readWish (entry: string): { wish: string, of: string } | undefined {
  if (!entry.startsWith('*')) return undefined
  const space = entry.indexOf(' ')
  return { wish: entry.slice(1, space), of: entry.slice(space + 1) }
}

/** A node's close set: ids of sessions that somebody asked to end, on another node, and what operators wish of the node. */
export class CloseSet {
  readonly #link: Link
  readonly #key: string
  readonly #node: string
  readonly #unreadable: Unreadable | undefined

  /** `unreadable`: for whoever reads it. */
  constructor (link: Link, keys: Keys, node: string, unreadable?: Unreadable) {
    this.#link = link
    this.#node = node
    this.#unreadable = unreadable
    this.#key = keys.close(node)
  }

  async add (id: string): Promise<void> {
    const { script, key, args } = this.adding(id)
    await this.#link.run(script, key, args)
  }

  /** What adds an id. */
  adding (id: string): Call {
    return { script: addToSet, key: this.#key, args: [String(LIFE), id] }
  }

  async read (): Promise<string[]> {
    const members = this.#link.run(readSet, this.#key) as Promise<string[]>
    return await (this.#unreadable?.orAbsent(`the close set of the node ${this.#node}`, members, []) ?? members)
  }

  /** Undefined when Redis doesn't let us. */
  async tryRead (): Promise<string[] | undefined> {
    return await this.read().catch(() => undefined)
  }

  async remove (ids: string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += BATCH) await this.#link.run(removeFromSet, this.#key, ids.slice(at, at + BATCH))
  }

  async delete (): Promise<void> {
    await this.#link.run(deleteKey, this.#key)
  }
}
