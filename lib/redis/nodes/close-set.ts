import type { Keys } from '../keys.ts'
import type { Call, Link } from '../link/link.ts'
import { addToSet, deleteKey, readSet, removeFromSet } from '../scripts/node-scripts.ts'
import type { Unreadable } from '../link/unreadable.ts'

/** A node that doesn't look for a day is gone. */
const LIFE = 24 * 3600 * 1000
const BATCH = 1000

/** What an operator asks of a node: to drain, to tell its events for a while, or those of every call too. */
export type Wish = typeof WISHES[number]
const WISHES = ['drain', 'events', 'calls'] as const

/** The entry, which is no id of a session, that asks the incarnation of this epoch for something. One that has started since is not meant. */
export function wishEntry (wish: Wish, epoch: string): string {
  return `*${wish} ${epoch.slice(0, epoch.lastIndexOf('.'))}`
}

/** Whether an entry is a wish: of whatever incarnation, and also one that only newer nodes know. */
export function isWish (entry: string): boolean {
  return entry.startsWith('*')
}

/** What an entry wishes of the incarnation of this epoch; undefined: nothing. */
export function wishOf (entry: string, epoch: string): Wish | undefined {
  return WISHES.find(wish => entry === wishEntry(wish, epoch))
}

/** What asks for a look at the others. */
const LOOK = '*look '

/** The entry that asks a node to look at the others. `token`: by which who asked knows the answer. */
export function lookEntry (token: string): string {
  return LOOK + token
}

/** The token of an entry that asks a node to look. */
export function lookToken (entry: string): string | undefined {
  return entry.startsWith(LOOK) ? entry.slice(LOOK.length) : undefined
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
