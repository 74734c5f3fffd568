import { LRUCache } from 'lru-cache'
import { BEATS } from '../../beats.ts'
import { FORMAT } from '../../format.ts'
import { Recent } from '../../bounds/recent.ts'
import type { NodeIdentity, NodeStatus } from '../../directory/node.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import type { Neighbours, SharedOptions } from './neighbours.ts'
import { addMembers, beatNode, dropNode, readMembers, readNode, removeMembers } from '../scripts/node-scripts.ts'
import { isNodeId, readNodeState, type NodeState } from './node-state.ts'
import type { Unreadable } from '../link/unreadable.ts'

/** Nodes that were seen once and owners that are gone: how many are remembered. */
const REMEMBERED = 1000

/** What a node tells the others at each beat. */
export type Report = Pick<NodeStatus, 'state' | 'sessions' | 'room'>

/** What came of a beat: the key was renewed, was gone and has been set, or belongs to another incarnation. */
export type Beat = 'renewed' | 'gone' | NodeState

export interface RegistryOptions {
  link: Link
  keys: Keys
  node: NodeIdentity
  heartbeat: number
  /** What the others are told of this node's options. */
  options?: SharedOptions | undefined
  /** Compares the nodes that are seen with this one. */
  neighbours?: Neighbours
  unreadable: Unreadable
  onFailed: (err: unknown) => void
}

/** The nodes in Redis: our own key, and a look at the others' that is at most one beat old. */
export class NodeRegistry {
  readonly #link: Link
  readonly #keys: Keys
  readonly #node: NodeIdentity
  readonly #heartbeat: number
  readonly #options: SharedOptions | undefined
  readonly #neighbours: Neighbours | undefined
  readonly #unreadable: Unreadable
  readonly #onFailed: (err: unknown) => void
  #beats = 0
  #looking: Promise<Map<string, NodeState>> | undefined
  #lookedAt = -Infinity
  /** How many nodes there were when our id was last put among them. */
  #members = 0
  /** The latest look that succeeded. */
  #seen = new Map<string, NodeState>()
  /** By tag, however long ago. */
  readonly #lastSeen = new LRUCache<string, NodeState>({ max: REMEMBERED })
  /** Owners (node and epoch) that were found gone: for a beat nobody looks again. */
  readonly #gone: Recent
  readonly #reading = new Map<string, Promise<NodeState | undefined>>()

  constructor ({ link, keys, node, heartbeat, options, neighbours, unreadable, onFailed }: RegistryOptions) {
    this.#link = link
    this.#keys = keys
    this.#node = node
    this.#heartbeat = heartbeat
    this.#gone = new Recent(REMEMBERED, heartbeat)
    this.#options = options
    this.#neighbours = neighbours
    this.#unreadable = unreadable
    this.#onFailed = onFailed
  }

  /** Claims or renews our key. `over`: the value of a dead incarnation that may be replaced. */
  async beat (report: Report, over = ''): Promise<Beat> {
    const { id, url, tag, epoch } = this.#node
    const value = JSON.stringify({ format: FORMAT, url, tag, epoch, ...report, beat: ++this.#beats, heartbeat: this.#heartbeat, options: this.#options })
    const outcome = await this.#link.run(beatNode, this.#keys.node(id), [value, this.#incarnation, String(BEATS.key * this.#heartbeat), over])
    // A number says how it went, also from a client that makes strings of numbers. Anything else is the value of another process's key.
    if (Number.isNaN(Number(outcome))) {
      const other = readNodeState(id, outcome as string)
      if (other) return other
      this.#unreadable.found(keyOf(id))
      return await this.beat(report, outcome as string)
    }
    if (Number(outcome) === 2) this.#unreadable.found(keyOf(id))
    return Number(outcome) === 1 ? 'renewed' : 'gone'
  }

  /** Puts our id where the others find it. Who has come or gone meanwhile is looked at with the next look. */
  async enlist (): Promise<void> {
    const members = Number(await this.#link.run(addMembers, this.#keys.nodes, ['', this.#node.id]))
    if (members !== this.#members) this.#lookedAt = -Infinity
    this.#members = members
  }

  /** The ids of all nodes that have, or had, sessions: sorted, the dead included. */
  async ids (): Promise<string[]> {
    const ids = await this.#unreadable.orAbsent<string[]>('the set of nodes', this.#link.run(readMembers, this.#keys.nodes), [])
    return ids.filter(id => {
      if (!isNodeId(id)) this.#unreadable.found('a member of the set of nodes')
      return isNodeId(id)
    }).sort()
  }

  /** A node's key as it stands now; those who ask at the same time share the read. */
  read (id: string): Promise<NodeState | undefined> {
    let reading = this.#reading.get(id)
    if (!reading) {
      reading = this.#readOnce(id).finally(() => this.#reading.delete(id))
      this.#reading.set(id, reading)
    }
    return reading
  }

  /** The live nodes by id, at most one beat old. */
  alive (): Promise<Map<string, NodeState>> {
    if (!this.#looking || this.#overdue) {
      this.#lookedAt = performance.now()
      this.#looking = this.#look()
      this.#looking.catch(() => { this.#looking = undefined })
    }
    return this.#looking
  }

  /** The live nodes as they were last seen, without waiting: an old look is renewed meanwhile. */
  latest (): ReadonlyMap<string, NodeState> {
    if (this.#overdue) this.alive().catch(this.#onFailed)
    return this.#seen
  }

  /** Looks at the live nodes if nobody has for a while: should Redis go away, it is too late to learn where they are. */
  async keepLooking (): Promise<void> {
    if (performance.now() - this.#lookedAt > BEATS.look * this.#heartbeat) await this.alive()
  }

  /** The node with this tag that was last seen alive, however long ago; never this one. */
  lastSeen (tag: string): NodeState | undefined {
    return tag === this.#node.tag ? undefined : this.#lastSeen.get(tag)
  }

  /**
   * The live node of this id and epoch, if there is one: from the look at all,
   * unless `fresh`, else from its key. That it is gone is remembered for a beat.
   */
  async owner (id: string, epoch: string, fresh = false): Promise<NodeState | undefined> {
    const seen = fresh ? undefined : (await this.alive()).get(id)
    if (seen?.epoch === epoch) return seen
    const key = JSON.stringify([id, epoch])
    if (this.#gone.has(key)) return undefined
    const now = await this.read(id)
    if (now?.epoch === epoch) return now
    this.#gone.add(key)
    return undefined
  }

  /** Takes our key away; false when it is another's by now. */
  async withdraw (): Promise<boolean> {
    return Number(await this.#link.run(dropNode, this.#keys.node(this.#node.id), [this.#incarnation])) !== -1
  }

  /** Takes our id away: no sessions are left in our index. */
  async forget (): Promise<void> {
    await this.#link.run(removeMembers, this.#keys.nodes, [this.#node.id])
  }

  get #incarnation (): string {
    return `${this.#node.incarnation}.`
  }

  get #overdue (): boolean {
    return performance.now() - this.#lookedAt > this.#heartbeat
  }

  async #look (): Promise<Map<string, NodeState>> {
    const ids = await this.ids()
    const nodes = await Promise.all(ids.map(id => this.read(id)))
    this.#seen = new Map()
    for (const node of nodes) if (node) this.#seen.set(node.id, node)
    return this.#seen
  }

  async #readOnce (id: string): Promise<NodeState | undefined> {
    const raw = await this.#unreadable.orAbsent<string | null>(keyOf(id), this.#link.run(readNode, this.#keys.node(id)), null)
    const node = raw === null ? undefined : readNodeState(id, raw)
    if (node === undefined) {
      if (raw !== null) this.#unreadable.found(keyOf(id))
      this.#seen.delete(id)
      return undefined
    }
    this.#seen.set(id, node)
    if (id !== this.#node.id) {
      this.#lastSeen.set(node.tag, node)
      this.#neighbours?.seen(node)
    }
    return node
  }
}

/** How the log calls it. */
function keyOf (id: string): string {
  return `the key of the node ${id}`
}
