import type { NodeIdentity, NodeStatus } from '../sessions/directory.ts'
import type { Keys } from './keys.ts'
import type { Link } from './link.ts'
import { addMembers, beatNode, dropNode, readMembers, readNode, removeMembers } from './node-scripts.ts'

/** What a node tells the others at each beat. */
export type Report = Pick<NodeStatus, 'state' | 'sessions'>

/** What a node's key says. */
export interface NodeState extends NodeStatus {
  epoch: string
  /** Counts the beats, so that a renewed key can be told from one that is only still there. */
  beat: number
  /** Milliseconds between the beats. */
  heartbeat: number
  /** The value as it stands in Redis. */
  raw: string
}

/** What came of a beat: the key was renewed, was gone and has been set, or belongs to another epoch. */
export type Beat = 'renewed' | 'gone' | NodeState

export interface RegistryOptions { link: Link, keys: Keys, node: NodeIdentity, heartbeat: number }

/** The nodes in Redis: our own key, and a look at the others' that is at most one beat old. */
export class NodeRegistry {
  readonly #link: Link
  readonly #keys: Keys
  readonly #node: NodeIdentity
  readonly #heartbeat: number
  #beats = 0
  #others: Promise<Map<string, NodeState>> | undefined
  #readAt = 0

  constructor ({ link, keys, node, heartbeat }: RegistryOptions) {
    this.#link = link
    this.#keys = keys
    this.#node = node
    this.#heartbeat = heartbeat
  }

  /** Claims or renews our key. `over`: the value of a dead incarnation that may be replaced. */
  async beat (report: Report, over = ''): Promise<Beat> {
    const { id, url, tag, epoch } = this.#node
    const value = JSON.stringify({ url, tag, epoch, ...report, beat: ++this.#beats, heartbeat: this.#heartbeat })
    const outcome = await this.#link.run(beatNode, this.#keys.node(id), [value, epoch, String(3 * this.#heartbeat), over])
    if (typeof outcome === 'string' && outcome.startsWith('{')) return parse(id, outcome)
    return Number(outcome) === 1 ? 'renewed' : 'gone'
  }

  /** Puts our id where the others find it. */
  async enlist (): Promise<void> {
    await this.#link.run(addMembers, this.#keys.nodes, ['', this.#node.id])
  }

  /** The ids of all nodes that have, or had, sessions: sorted, the dead included. */
  async ids (): Promise<string[]> {
    return (await this.#link.run(readMembers, this.#keys.nodes) as string[]).sort()
  }

  /** A node's key as it stands now. */
  async read (id: string): Promise<NodeState | undefined> {
    const raw = await this.#link.run(readNode, this.#keys.node(id)) as string | null
    return raw === null ? undefined : parse(id, raw)
  }

  /** The live nodes by id, at most one beat old. */
  alive (): Promise<Map<string, NodeState>> {
    const now = performance.now()
    if (!this.#others || now - this.#readAt > this.#heartbeat) {
      this.#readAt = now
      this.#others = this.#readAll()
      this.#others.catch(() => { this.#others = undefined })
    }
    return this.#others
  }

  /** The live node of this id and epoch, if there is one: from the look at all, else from its key. */
  async owner (id: string, epoch: string): Promise<NodeState | undefined> {
    const seen = (await this.alive()).get(id)
    if (seen?.epoch === epoch) return seen
    const now = await this.read(id)
    if (now?.epoch !== epoch) return undefined
    ;(await this.alive()).set(id, now)
    return now
  }

  /** Takes our key away; false when it is another's by now. */
  async withdraw (): Promise<boolean> {
    return Number(await this.#link.run(dropNode, this.#keys.node(this.#node.id), [this.#node.epoch])) !== -1
  }

  /** Takes our id away: no sessions are left in our index. */
  async forget (): Promise<void> {
    await this.#link.run(removeMembers, this.#keys.nodes, [this.#node.id])
  }

  async #readAll (): Promise<Map<string, NodeState>> {
    const alive = new Map<string, NodeState>()
    const nodes = await Promise.all((await this.ids()).map(id => this.read(id)))
    for (const node of nodes) if (node) alive.set(node.id, node)
    return alive
  }
}

function parse (id: string, raw: string): NodeState {
  return { ...JSON.parse(raw), id, raw }
}
