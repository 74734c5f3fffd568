import { NodeDuplicateError } from '../errors.ts'
import { tagOf } from '../session-id.ts'
import { fromCursor, toCursor } from './cursor.ts'
import type { DirectoryOwner, Location, NewRecord, NodeIdentity, NodeStatus, Remover, SessionDirectory, SessionRecord } from './directory.ts'

/** What memory directories of one process can share. */
export interface MemorySpace {
  records: Map<string, SessionRecord>
  /** The live nodes by id. */
  nodes: Map<string, { node: NodeIdentity, owner: DirectoryOwner }>
}

export interface MemoryDirectoryOptions {
  node: NodeIdentity
  /** Life of a record, in milliseconds. */
  ttl: number
  /** Default: a space of its own. */
  space?: MemorySpace
}

export function memorySpace (): MemorySpace {
  return { records: new Map(), nodes: new Map() }
}

export function memoryDirectory (options: MemoryDirectoryOptions): SessionDirectory {
  return new MemoryDirectory(options)
}

/** The session directory of a node that stands alone. */
class MemoryDirectory implements SessionDirectory {
  readonly kind = 'memory'
  readonly #node: NodeIdentity
  readonly #ttl: number
  readonly #space: MemorySpace

  constructor ({ node, ttl, space = memorySpace() }: MemoryDirectoryOptions) {
    this.#node = node
    this.#ttl = ttl
    this.#space = space
  }

  async start (owner: DirectoryOwner): Promise<void> {
    for (const { node } of this.#space.nodes.values()) {
      if (node.id === this.#node.id) throw new NodeDuplicateError(`a live node has the id "${node.id}" already; give each process its own \`node.id\``)
      if (node.url !== undefined && node.url === this.#node.url) throw new NodeDuplicateError(`the live node "${node.id}" has the url ${node.url} already; give each process its own \`node.url\``)
    }
    this.#space.nodes.set(this.#node.id, { node: this.#node, owner })
  }

  async add (record: NewRecord): Promise<boolean> {
    const { id: node, epoch } = this.#node
    this.#space.records.set(record.id, { ...record, node, epoch, lastSeenAt: Date.now() })
    return true
  }

  touch (id: string): void {
    const record = this.#space.records.get(id)
    if (record && this.#owns(record)) record.lastSeenAt = Date.now()
  }

  release (id: string): void {
    const record = this.#space.records.get(id)
    if (record && this.#owns(record)) this.#space.records.delete(id)
  }

  async remove (id: string, by: Remover): Promise<'removed' | 'unknown'> {
    const record = this.#read(id)
    if (!record || (by !== 'any' && by.principal !== record.principal)) return 'unknown'
    this.#space.records.delete(id)
    this.#ownerOf(record)?.owner.end(id, 'closed')
    return 'removed'
  }

  async locate (id: string): Promise<Location> {
    const record = this.#read(id)
    if (!record) return { status: 'unknown' }
    const owner = this.#ownerOf(record)?.node
    if (!owner || this.#owns(record)) return { status: 'orphaned', record: { ...record } }
    return { status: 'misrouted', record: { ...record }, tag: owner.tag, url: owner.url }
  }

  async list ({ cursor, limit }: { cursor?: string | undefined, limit: number }): Promise<{ sessions: SessionRecord[], cursor?: string }> {
    const after = cursor === undefined ? undefined : fromCursor(cursor)
    const last = after && { node: after[0], lastSeenAt: Number(after[1]), id: after[2] }
    const rest = [...this.#space.records.keys()]
      .flatMap(id => this.#read(id) ?? [])
      .sort(byNodeAndUse)
      .filter(record => !last || byNodeAndUse(record, last) > 0)
    const sessions = rest.slice(0, limit).map(record => ({ ...record }))
    const end = sessions.at(-1)
    return end && rest.length > limit ? { sessions, cursor: toCursor([end.node, String(end.lastSeenAt), end.id]) } : { sessions }
  }

  async nodes (): Promise<NodeStatus[]> {
    return [...this.#space.nodes.values()]
      .map(({ node: { id, url, tag }, owner }) => ({ id, url, tag, state: owner.draining ? 'draining' as const : 'up' as const, sessions: owner.size }))
      .sort((a, b) => compare(a.id, b.id))
  }

  announce (): void {}

  async stop (ids: string[], _bound: number): Promise<number> {
    for (const id of ids) this.release(id)
    if (this.#space.nodes.get(this.#node.id)?.node.epoch === this.#node.epoch) this.#space.nodes.delete(this.#node.id)
    return 0
  }

  #read (id: string): SessionRecord | undefined {
    const record = tagOf(id) === undefined ? undefined : this.#space.records.get(id)
    if (!record || Date.now() - record.lastSeenAt < this.#ttl) return record
    this.#space.records.delete(id)
    return undefined
  }

  #owns (record: SessionRecord): boolean {
    return record.node === this.#node.id && record.epoch === this.#node.epoch
  }

  #ownerOf (record: SessionRecord): { node: NodeIdentity, owner: DirectoryOwner } | undefined {
    const live = this.#space.nodes.get(record.node)
    return live?.node.epoch === record.epoch ? live : undefined
  }
}

type Place = Pick<SessionRecord, 'node' | 'lastSeenAt' | 'id'>

function byNodeAndUse (a: Place, b: Place): number {
  return compare(a.node, b.node) || a.lastSeenAt - b.lastSeenAt || compare(a.id, b.id)
}

function compare (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
