import type { Keys } from '../keys.ts'
import type { Call, Link } from '../link/link.ts'
import { addToSet, deleteKey, readSet, removeFromSet } from '../scripts/node-scripts.ts'
import type { Unreadable } from '../link/unreadable.ts'

/** A node that doesn't look for a day is gone. */
const LIFE = 24 * 3600 * 1000
const BATCH = 1000

/** What is no id of a session. */
const DRAIN = '*drain '

/** The entry that asks the incarnation of this epoch to drain. One that has started since is not meant. */
export function drainEntry (epoch: string): string {
  return DRAIN + epoch.slice(0, epoch.lastIndexOf('.'))
}

export function isDrainEntry (entry: string): boolean {
  return entry.startsWith(DRAIN)
}

/** What is no id of a session either. */
const LOOK = '*look '

/** The entry that asks a node to look at the others. `token`: by which who asked knows the answer. */
export function lookEntry (token: string): string {
  return LOOK + token
}

/** The token of an entry that asks a node to look. */
export function lookToken (entry: string): string | undefined {
  return entry.startsWith(LOOK) ? entry.slice(LOOK.length) : undefined
}

/** Whether an entry asks for something else than a session's end. */
export function isRequest (entry: string): boolean {
  return isDrainEntry(entry) || lookToken(entry) !== undefined
}

/** A node's close set: ids of sessions that somebody asked to end, on another node. */
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
