import { BEATS } from '../../beats.ts'
import { FORMAT, HASH_FORMAT } from '../../format.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { SharedOptions } from '../../shared-directory/neighbours.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import type { Unreadable } from '../link/unreadable.ts'
import { addToSet, beatNode, countSet, dropNode, readNode, readSet, removeFromSet } from '../scripts/node-scripts.ts'
import { isNodeId, readNodeState, type NodeState, type Report } from './node-state.ts'

/** For how long after the last was seen alive the next of them may come and must find us, in milliseconds: a deploy ends one before it starts the other. */
const LINGER = 10 * 60_000

interface OlderNodesParts {
  link: Link
  keys: Keys
  node: NodeIdentity
  /** Milliseconds between two beats. */
  heartbeat: number
  options?: SharedOptions | undefined
  unreadable: Unreadable
  /** A node was seen alive, or is so no more. */
  onSeen: (id: string, node: NodeState | undefined) => void
}

/**
 * Nodes of a format below 2, which know each other by a key each and a set of
 * their ids. While one of them lives, and for a while after, this node has a
 * key and is in the set as well, so that both see each other during a deploy,
 * and a roll back. Else it asks once a beat how many ids there are.
 */
export class OlderNodes {
  readonly #parts: OlderNodesParts
  #live = new Map<string, NodeState>()
  /** How many ids there were when they were looked at last. */
  #members = 0
  /** Beats until they are looked at though their number is the same. */
  #left = 0
  /** When one of them was last seen alive. */
  #seenAt = -Infinity
  /** We have a key, and are in the set. */
  #written = false
  #beats = 0

  constructor (parts: OlderNodesParts) {
    this.#parts = parts
  }

  /** The oldest format of those that live; undefined where none does. */
  get oldest (): number | undefined {
    return this.#live.size === 0 ? undefined : Math.min(...[...this.#live.values()].map(({ format }) => format))
  }

  /** Once a beat. Another process's state, if it has our key; `over`: the value that may be replaced. */
  async turn (report: Report, over: string): Promise<NodeState | undefined> {
    const members = await this.#count()
    if (members !== this.#members || this.#live.size > 0 || --this.#left < 0) await this.look(members)
    if (performance.now() - this.#seenAt < LINGER) return this.#write(report, over)
    if (this.#written) await this.withdraw(false)
    return undefined
  }

  /** What is there may be lost: look at it with the next beat. */
  startOver (): void {
    this.#left = 0
  }

  /** Looks which of them live. */
  async look (members?: number): Promise<void> {
    this.#members = members ?? await this.#count()
    this.#left = BEATS.all
    const ids = this.#members === 0 ? [] : await this.ids()
    const nodes = await Promise.all(ids.map(id => this.read(id)))
    const before = this.#live
    this.#live = new Map()
    for (const node of nodes) if (node !== undefined && node.format < HASH_FORMAT) this.#live.set(node.id, node)
    if (this.#live.size > 0) this.#seenAt = performance.now()
    for (const [id, node] of this.#live) this.#parts.onSeen(id, node)
    for (const id of before.keys()) if (!this.#live.has(id)) this.#parts.onSeen(id, undefined)
  }

  /** Ids of those that have, or had, sessions. */
  async ids (): Promise<string[]> {
    const { link, keys, unreadable } = this.#parts
    const ids = await unreadable.orAbsent<string[]>('the set of nodes', link.run(readSet, keys.nodes), [])
    return ids.filter(id => {
      if (!isNodeId(id)) unreadable.found('a member of the set of nodes')
      return isNodeId(id)
    })
  }

  /** A node by its key, if it has one. */
  async read (id: string): Promise<NodeState | undefined> {
    const { link, keys, unreadable } = this.#parts
    const raw = await unreadable.orAbsent<string | null>(keyOf(id), link.run(readNode, keys.node(id)), null)
    const node = raw === null ? undefined : readNodeState(id, raw)
    if (node === undefined && raw !== null) unreadable.found(keyOf(id))
    return node
  }

  /** Takes our key away, and our id, unless something of our sessions is `left`. */
  async withdraw (left: boolean): Promise<void> {
    if (!this.#written) return
    const { link, keys, node } = this.#parts
    const dropped = await link.run(dropNode, keys.node(node.id), [`${node.incarnation}.`])
    if (Number(dropped) !== -1 && !left) await this.forget(node.id)
    this.#written = false
  }

  /** Takes an id away, of which nothing is left. */
  async forget (id: string): Promise<void> {
    const { link, keys } = this.#parts
    const absent = async (): Promise<boolean> => await link.run(readNode, keys.node(id)) === null
    if (!await absent()) return
    await link.run(removeFromSet, keys.nodes, [id])
    // A node sets its key first and puts its id into the set then: if we took that out, the key is there.
    if (!await absent()) await link.run(addToSet, keys.nodes, ['', id])
  }

  async #count (): Promise<number> {
    const { link, keys, unreadable } = this.#parts
    return Number(await unreadable.orAbsent<number>('the set of nodes', link.run(countSet, keys.nodes), 0))
  }

  async #write ({ state, sessions, room }: Report, over: string): Promise<NodeState | undefined> {
    const { link, keys, node: { id, url, tag, epoch, incarnation }, heartbeat, options } = this.#parts
    const value = JSON.stringify({ format: FORMAT, url, tag, epoch, state, sessions, room, beat: ++this.#beats, heartbeat, options })
    const life = String(BEATS.place * heartbeat)
    const beat = (over: string): Promise<unknown> => link.run(beatNode, keys.node(id), [value, `${incarnation}.`, life, over])
    const held = await beat(over)
    if (Number.isNaN(Number(held))) {
      const holder = readNodeState(id, held as string)
      if (holder !== undefined && holder.format < HASH_FORMAT) return holder
      // Left by a process of ours: who has the id now is said among the newer nodes.
      await beat(held as string)
    }
    if (!this.#written) this.#members = Number(await link.run(addToSet, keys.nodes, ['', id]))
    this.#written = true
    return undefined
  }
}

function keyOf (id: string): string {
  return `the key of the node ${id}`
}
