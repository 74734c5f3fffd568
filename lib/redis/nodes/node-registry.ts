import { BEATS } from '../../beats.ts'
import { FORMAT, HASH_FORMAT } from '../../format.ts'
import { Recent } from '../../bounds/recent.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import type { Neighbours, SharedOptions } from '../../shared-directory/neighbours.ts'
import type { Unreadable } from '../link/unreadable.ts'
import { beatMember, dropMember, forgetMember, readMember, readMemberIds } from '../scripts/member-scripts.ts'
import { KnownNodes } from './known-nodes.ts'
import { isNodeId, readMemberState, type NodeState, type Report } from './node-state.ts'
import { OlderNodes } from './older-nodes.ts'

/** Owners that are gone: how many are remembered. */
const GONE = 1000

/** What came of a beat: our place was renewed, was gone and has been taken, or belongs to another incarnation. */
export type Beat = 'renewed' | 'gone' | NodeState

interface RegistryOptions {
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

/**
 * The nodes in Redis: our own place among them, and what is known of the
 * others. A beat is one script, which brings what has changed since the one
 * before it: it costs the same however many nodes there are.
 */
export class NodeRegistry {
  readonly #parts: RegistryOptions
  readonly #older: OlderNodes
  readonly #known: KnownNodes
  #beats = 0
  /** Owners (node and epoch) that were found gone: for a beat nobody looks again. */
  readonly #gone: Recent
  readonly #reading = new Map<string, Promise<NodeState | undefined>>()

  constructor (parts: RegistryOptions) {
    this.#parts = parts
    this.#gone = new Recent(GONE, parts.heartbeat)
    this.#older = new OlderNodes({ ...parts, onSeen: (id, node) => this.#known.setOlder(id, node) })
    this.#known = new KnownNodes({ ...parts, lookAtOlder: () => this.#older.look() })
  }

  /** Takes or renews our place. `over`: the value of a dead incarnation that may be replaced. */
  async beat (report: Report, over = ''): Promise<Beat> {
    const { link, keys, node, heartbeat, unreadable } = this.#parts
    const asked = performance.now()
    const since = this.#known.since()
    const args = [node.id, this.#facts(report.state), this.#incarnation, String(BEATS.place * heartbeat), this.#token(), over, since]
    const [code, ...rest] = await link.run(beatMember, keys.members, args) as Array<string | number>
    const outcome = Number(code)
    const held = outcome === 3 ? readMemberState(node.id, String(rest[0])) : undefined
    if (held !== undefined) return held
    if (outcome > 1) unreadable.found(`the place of the node ${node.id}`)
    // With an epoch, and yet no node's.
    if (outcome === 3) return this.beat(report, String(rest[0]))
    this.#known.heard(asked, since, rest)
    // What older nodes have in common is elsewhere, and no reason for a beat to fail.
    const older = await this.#older.turn(report, over).catch(this.#parts.onFailed)
    return older ?? (outcome === 1 ? 'renewed' : 'gone')
  }

  /** The ids of all nodes that have, or had, sessions: sorted, the dead included. */
  async ids (): Promise<string[]> {
    const { link, keys, unreadable } = this.#parts
    const reading = unreadable.orAbsent<string[]>('the nodes', link.run(readMemberIds, keys.members), [])
    const [ids, older] = await Promise.all([reading, this.#older.ids()])
    return [...new Set([...ids.filter(isNodeId), ...older])].sort()
  }

  /** A node as it stands now; those who ask at the same time share the read. */
  read (id: string): Promise<NodeState | undefined> {
    let reading = this.#reading.get(id)
    if (!reading) {
      reading = this.#readOnce(id).finally(() => this.#reading.delete(id))
      this.#reading.set(id, reading)
    }
    return reading
  }

  /** A node that was seen, as it stands there now. */
  async again ({ id, until }: NodeState): Promise<NodeState | undefined> {
    return until === 0 ? this.#older.read(id) : this.read(id)
  }

  /** The live nodes by id, as of the last beat; looks at all of them when that is too long ago. */
  alive (): Promise<ReadonlyMap<string, NodeState>> { return this.#known.alive() }
  /** The live nodes by id, as they are now. */
  now (): Promise<ReadonlyMap<string, NodeState>> { return this.#known.now() }
  /** The live nodes as they were last seen, without waiting: what is too old is renewed meanwhile. */
  latest (): ReadonlyMap<string, NodeState> { return this.#known.latest() }
  /** The node with this tag that was last seen alive, however long ago; never this one. */
  lastSeen (tag: string): NodeState | undefined { return this.#known.lastSeen(tag) }
  /** Whether a tag is of a node that lives, or was ever seen. */
  knows (tag: string): Promise<boolean> { return this.#known.knows(tag) }
  /** A number that goes up with each change among the nodes. */
  get stamp (): number { return this.#known.stamp }

  /** The oldest format of the nodes that live, as it is now. */
  async oldestFormat (): Promise<number> {
    await this.#older.look()
    return this.#older.oldest ?? FORMAT
  }

  /** What the nodes have in common may be lost: the next beat reads all of it. */
  startOver (): void {
    this.#known.startOver()
    this.#older.startOver()
  }

  /**
   * The live node of this id and epoch, if there is one: from what is known of
   * all, unless `fresh`, else from its place. That it is gone is remembered for a beat.
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

  /** Gives our place up; false when it is another's by now. `left`: something of our sessions is left, so our id stays, for whoever lists or cleans up. */
  async withdraw (left = false): Promise<boolean> {
    const { link, keys, node } = this.#parts
    await this.#older.withdraw(left)
    return Number(await link.run(dropMember, keys.members, [node.id, this.#incarnation, this.#token(), left ? '1' : ''])) !== -1
  }

  /** Forgets a node of which nothing is left, unless it lives. */
  async forget (id: string): Promise<void> {
    const { link, keys } = this.#parts
    if (Number(await link.run(forgetMember, keys.members, [id])) !== -1) await this.#older.forget(id)
  }

  get #incarnation (): string {
    return `${this.#parts.node.incarnation}.`
  }

  /** One that nobody has used. */
  #token (): string {
    return `${this.#parts.node.incarnation} ${++this.#beats}`
  }

  /** What the others must know of us. */
  #facts (state: Report['state']): string {
    const { node: { url, tag, tags, epoch, started, endpoints, stateless, unannounced }, heartbeat, options } = this.#parts
    return JSON.stringify({ format: FORMAT, url, tag, ...(tags.length > 1 && { tags: tags.length }), epoch, started, state, heartbeat, options, endpoints, ...(stateless.length > 0 && { stateless }), ...(unannounced.length > 0 && { unannounced }) })
  }

  async #readOnce (id: string): Promise<NodeState | undefined> {
    const { link, keys, unreadable } = this.#parts
    const reading = link.run(readMember, keys.members, [id])
    const [now, value] = await unreadable.orAbsent<[string, string | null]>('the nodes', reading, ['0', null])
    const member = this.#known.take(id, value ?? '', Number(now))
    if (member !== undefined) return member
    const older = await this.#older.read(id)
    // A newer node has such a key as well, which is no evidence of it.
    const lives = older === undefined || older.format >= HASH_FORMAT ? undefined : older
    this.#known.setOlder(id, lives)
    return lives
  }
}
