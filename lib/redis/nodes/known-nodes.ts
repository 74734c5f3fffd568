import { LRUCache } from 'lru-cache'
import { beatsToAll, youngFor } from '../../beats.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { Neighbours } from '../../shared-directory/neighbours.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import type { Unreadable } from '../link/unreadable.ts'
import { readChanges, readMembers } from '../scripts/member-scripts.ts'
import { isNodeId, readMemberState, type NodeState } from './node-state.ts'

/** Nodes that were seen once, by the tags of their urls. */
const REMEMBERED = 100_000

interface KnownNodesParts {
  link: Pick<Link, 'run'>
  keys: Keys
  node: NodeIdentity
  /** Milliseconds between two beats. */
  heartbeat: number
  /** Compares the nodes that are seen with this one. */
  neighbours?: Neighbours | undefined
  unreadable: Unreadable
  /** Looks at the nodes of a format below 2. */
  lookAtOlder: () => Promise<void>
  onFailed: (err: unknown) => void
}

/**
 * What this node knows of the others: all of them once, and from then on what
 * has changed, which each beat brings.
 */
export class KnownNodes {
  readonly #parts: KnownNodesParts
  /** The live nodes as of the last answer. */
  readonly #seen = new Map<string, NodeState>()
  /** By tag, however long ago. Not `max`: that makes the room for all of them beforehand. */
  readonly #lastSeen = new LRUCache<string, NodeState>({ maxSize: REMEMBERED, sizeCalculation: () => 1 })
  /** When that answer was asked for. */
  #heardAt = -Infinity
  /** Beats until all are read though no change was heard of. */
  #left = 0
  #looking: Promise<void> | undefined
  #syncing: Promise<void> | undefined
  /** Of what is known; '' for nothing. */
  #version = ''

  constructor (parts: KnownNodesParts) {
    this.#parts = parts
  }

  /** Once a beat: the version since which changes are to be told; '' for everything. */
  since (): string {
    return this.#left-- > 0 ? this.#version : ''
  }

  /** All is to be read with the next beat: what the nodes have in common may be lost. */
  startOver (): void {
    this.#left = 0
  }

  /** A number that goes up with each change, the same for all who know the same. */
  get stamp (): number {
    return Number.parseInt(this.#version, 10) || 0
  }

  /** The live nodes by id, as of the last beat; looks at all of them when that is too long ago. */
  async alive (): Promise<ReadonlyMap<string, NodeState>> {
    if (this.#overdue) await this.#look()
    return this.#seen
  }

  /** The live nodes by id, as they are now. */
  async now (): Promise<ReadonlyMap<string, NodeState>> {
    if (this.#version === '' || this.#looking !== undefined) await this.#look()
    else if (performance.now() - this.#heardAt > youngFor(this.#parts.heartbeat)) await this.#sync()
    return this.#seen
  }

  /** The live nodes as they were last seen, without waiting: what is too old is renewed meanwhile. */
  latest (): ReadonlyMap<string, NodeState> {
    if (this.#overdue) this.#look().catch(this.#parts.onFailed)
    return this.#seen
  }

  /** The node with this tag that was last seen alive, however long ago; never this one. */
  lastSeen (tag: string): NodeState | undefined {
    return this.#parts.node.tags.includes(tag) ? undefined : this.#lastSeen.get(tag)
  }

  /** Whether a tag is of a node that lives, or was ever seen. */
  async knows (tag: string): Promise<boolean> {
    await this.alive()
    return this.#parts.node.tags.includes(tag) || this.#lastSeen.has(tag)
  }

  /**
   * What has changed since a version, which was asked for then (performance.now()): the version now, 1 for everything or 0,
   * then id, value, ... An answer that came late, when more was known already, says nothing: the next is about that.
   */
  heard (asked: number, since: string, [version, all, ...changes]: Array<string | number>): void {
    if (Number(all) === 1) {
      this.#look().catch(this.#parts.onFailed)
      return
    }
    if (since !== this.#version) return
    for (let i = 0; i < changes.length; i += 2) this.take(String(changes[i]), String(changes[i + 1]))
    this.#version = String(version)
    this.#heardAt = asked
  }

  /** What stands at a node's place: its state, if it lives. `now`: by Redis' clock, since nobody may have said yet that its beat is over. */
  take (id: string, value: string, now = 0): NodeState | undefined {
    const state = readMemberState(id, value)
    if (state === undefined && value !== '' && !value.startsWith('0 ')) this.#parts.unreadable.found(isNodeId(id) ? `the place of the node ${id}` : 'a place among the nodes')
    const live = state !== undefined && state.until > now ? state : undefined
    // One of a format below 2 has no place here.
    if (live !== undefined || value !== '' || !this.#isOlder(id)) this.#set(id, live)
    return live
  }

  /** A node of a format below 2 lives, or does not. Its next process may be of a newer one, and has a place then, while its key is still there. */
  setOlder (id: string, node: NodeState | undefined): void {
    if (!this.#seen.has(id) || this.#isOlder(id)) this.#set(id, node)
  }

  #isOlder (id: string): boolean {
    return this.#seen.get(id)?.until === 0
  }

  #set (id: string, node: NodeState | undefined): void {
    if (node === undefined) {
      this.#seen.delete(id)
      return
    }
    this.#seen.set(id, node)
    if (id === this.#parts.node.id) return
    for (const tag of node.tags) this.#lastSeen.set(tag, node)
    this.#parts.neighbours?.seen(node)
  }

  get #overdue (): boolean {
    return performance.now() - this.#heardAt > 1.5 * this.#parts.heartbeat
  }

  #sync (): Promise<void> {
    this.#syncing ??= this.#readChanges().finally(() => { this.#syncing = undefined })
    return this.#syncing
  }

  #look (): Promise<void> {
    this.#looking ??= this.#readAll().finally(() => { this.#looking = undefined })
    return this.#looking
  }

  async #readChanges (): Promise<void> {
    const { link, keys, unreadable, lookAtOlder } = this.#parts
    const asked = performance.now()
    const since = this.#version
    const reading = link.run(readChanges, keys.members, [since])
    const changes = await unreadable.orAbsent<Array<string | number>>('the nodes', reading, ['', 1])
    if (Number(changes[1]) === 1) return this.#look()
    this.heard(asked, since, changes)
    await lookAtOlder()
  }

  async #readAll (): Promise<void> {
    const { link, keys, unreadable, lookAtOlder } = this.#parts
    const asked = performance.now()
    const since = this.#version
    const [now, version, ...all] = await unreadable.orAbsent<string[]>('the nodes', link.run(readMembers, keys.members), ['0', ''])
    // What has changed meanwhile was heard of first: that is newer, and all is to be read once more.
    if (since !== this.#version) return this.startOver()
    const before = new Set(this.#seen.keys())
    for (let i = 0; i < all.length; i += 2) {
      if (this.take(all[i]!, all[i + 1]!, Number(now)) !== undefined) before.delete(all[i]!)
    }
    for (const id of before) if (!this.#isOlder(id)) this.#seen.delete(id)
    this.#version = version!
    this.#heardAt = asked
    this.#left = beatsToAll()
    await lookAtOlder()
  }
}
