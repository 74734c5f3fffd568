import { youngFor } from '../../beats.ts'
import { Gather } from '../../bounds/gather.ts'
import type { Holder, TagTable } from '../../directory/tag-table.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import { orUnavailable } from '../link/unavailable.ts'
import type { Unreadable } from '../link/unreadable.ts'
import { moveTags, readChanges, readMembers } from '../scripts/member-scripts.ts'
import { isTag } from '../../session-id.ts'
import { isNodeId } from './node-state.ts'

interface TagTableParts {
  link: Pick<Link, 'run'>
  keys: Keys
  node: Pick<NodeIdentity, 'incarnation'>
  /** Milliseconds between two beats. */
  heartbeat: number
  unreadable: Unreadable
}

/** The table of tags in Redis: a hash that keeps its changes, as that of the nodes does (see member-scripts.ts). */
export class RedisTagTable implements TagTable {
  readonly #parts: TagTableParts
  readonly #holders = new Map<string, Holder>()
  /** What no node can have written, by tag: it counts as none, and is written over. */
  readonly #strange = new Map<string, string>()
  #version = ''
  #readAt = -Infinity
  #reading: Promise<void> | undefined
  /** Those of one turn are one change: a proxy that is told of half of a node's tags would be told of each again. */
  readonly #moving = new Gather<boolean>(moves => this.#move(moves))
  #changes = 0

  constructor (parts: TagTableParts) {
    this.#parts = parts
  }

  /** A number that goes up with each change. */
  get stamp (): number {
    return Number.parseInt(this.#version, 10) || 0
  }

  latest (): ReadonlyMap<string, Holder> {
    return this.#holders
  }

  async read (now = false): Promise<ReadonlyMap<string, Holder>> {
    if (now || performance.now() - this.#readAt > youngFor(this.#parts.heartbeat)) await orUnavailable(this.#readOnce())
    return this.#holders
  }

  /** Not older than a beat, if that can be had. Never rejects. */
  async refresh (): Promise<void> {
    if (performance.now() - this.#readAt > this.#parts.heartbeat) await this.#readOnce().catch(() => {})
  }

  async move (tag: string, seen: Holder | undefined, to: Holder | undefined): Promise<boolean> {
    return this.#moving.ask([tag, seen === undefined ? this.#strange.get(tag) ?? '' : textOf(seen), textOf(to)].join('\n'))
  }

  /** What nodes hold that are not among these any more nobody holds. `ids` is asked after the table is read: who holds a tag has come before. */
  async keep (ids: () => Promise<readonly string[]>): Promise<void> {
    const table = new Map(await this.read(true))
    if (table.size === 0) return
    const known = new Set(await ids())
    await Promise.all([...table].map(async ([tag, holder]) => known.has(holder.node) || this.move(tag, holder, undefined)))
  }

  /** `moves`: of each the tag, the entry as it was seen, and what it is to be, a line each. */
  async #move (moves: string[]): Promise<(move: string) => boolean> {
    const { link, keys, node } = this.#parts
    const args = [`${node.incarnation} ${++this.#changes}`, ...moves.flatMap(move => move.split('\n'))]
    const outcomes = await orUnavailable(link.run(moveTags, keys.tags, args)) as unknown[]
    // Who looks next sees it.
    this.#readAt = -Infinity
    return move => Number(outcomes[moves.indexOf(move)]) === 1
  }

  /** Those who ask together share a read. */
  #readOnce (): Promise<void> {
    this.#reading ??= this.#readChanges().finally(() => { this.#reading = undefined })
    return this.#reading
  }

  async #readChanges (): Promise<void> {
    const { link, keys, unreadable } = this.#parts
    const asked = performance.now()
    const reading = link.run(readChanges, keys.tags, [this.#version])
    const [version, all, ...changes] = await unreadable.orAbsent<Array<string | number>>('the table of tags', reading, ['', 0])
    // What is no table of ours is none.
    if (Number(all) === 1 || version === '') {
      await this.#readAll()
    } else {
      for (let i = 0; i < changes.length; i += 2) this.#set(String(changes[i]), String(changes[i + 1]))
      this.#version = String(version)
    }
    this.#readAt = asked
  }

  async #readAll (): Promise<void> {
    const { link, keys, unreadable } = this.#parts
    const [, version, ...all] = await unreadable.orAbsent<string[]>('the table of tags', link.run(readMembers, keys.tags), ['0', ''])
    this.#holders.clear()
    this.#strange.clear()
    for (let i = 0; i < all.length; i += 2) this.#set(all[i]!, all[i + 1]!)
    this.#version = version ?? ''
  }

  #set (tag: string, text: string): void {
    if (!isTag(tag)) return
    const [, node, incarnation, promised] = /^(\S+) (\S+) (\d{1,9})$/.exec(text) ?? []
    this.#strange.delete(tag)
    this.#holders.delete(tag)
    if (node !== undefined && isNodeId(node)) this.#holders.set(tag, { node, incarnation: incarnation!, promised: Number(promised) })
    else if (text !== '') this.#strange.set(tag, text)
  }
}

/** As it stands in Redis. */
function textOf (holder: Holder | undefined): string {
  return holder === undefined ? '' : `${holder.node} ${holder.incarnation} ${holder.promised}`
}
