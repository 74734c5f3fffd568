import { DirectoryUnavailableError, NodeDuplicateError } from '../errors.ts'
import { FORMAT } from '../format.ts'
import { tagOf } from '../session-id.ts'
import { byNodeAndUse, compare, fromCursor, toCursor } from './cursor.ts'
import type { LocalNode, Location, SessionDirectory } from './directory.ts'
import { isAsSeen, memorySpace, memoryTags, owns, pauseOf, peerOf, shown, statusOf } from './memory-space.ts'
import type { MemoryNode, MemoryRecord, MemorySpace } from './memory-space.ts'
import type { NodeIdentity, NodeStatus } from './node.ts'
import type { NewRecord, SessionRecord } from './record.ts'
import { mayRemove } from './remover.ts'
import type { Remover } from './remover.ts'
import type { Peer, TagTable } from './tag-table.ts'
import type { Trails } from './trails.ts'

interface MemoryDirectoryOptions {
  node: NodeIdentity
  /** Life of a record, in milliseconds. */
  ttl: number
  /** Default: a space of its own. */
  space?: MemorySpace
}

export function memoryDirectory (options: MemoryDirectoryOptions): SessionDirectory {
  return new MemoryDirectory(options)
}

/**
 * The session directory of a node that stands alone. Everything happens at
 * once, and it beats only when its lease is asked for.
 */
class MemoryDirectory implements SessionDirectory {
  readonly doubtful = false
  readonly tags: TagTable
  readonly trails: Trails
  readonly stamp = 0
  readonly #node: NodeIdentity
  readonly #ttl: number
  readonly #space: MemorySpace
  #local!: LocalNode

  constructor ({ node, ttl, space = memorySpace() }: MemoryDirectoryOptions) {
    this.#node = node
    this.#ttl = ttl
    this.#space = space
    this.tags = memoryTags(space)
    this.trails = space.trails
  }

  async start (local: LocalNode): Promise<void> {
    for (const { node } of this.#space.nodes.values()) {
      if (node.id === this.#node.id) throw new NodeDuplicateError(`a live node has the id "${node.id}" already; give each process its own \`node.id\``)
      if (node.url !== undefined && node.url === this.#node.url) throw new NodeDuplicateError(`the live node "${node.id}" has the url ${node.url} already; give each process its own \`node.url\``)
    }
    this.#local = local
    this.#beat()
  }

  async add (record: NewRecord): Promise<boolean> {
    const existing = this.#read(record.id)
    if (existing && !this.#owns(existing)) this.#local.end(record.id, 'taken')
    else this.#write(record)
    return true
  }

  touch (id: string): void {
    const record = this.#space.records.get(id)
    if (!record) return
    if (!this.#owns(record)) return this.#local.end(id, 'taken')
    record.adoptionFailures = 0
    this.#renew(record)
  }

  changed (id: string): void {
    this.#renewWith(id)
  }

  async reclaim (id: string): Promise<'kept' | 'lost' | 'unanswered'> {
    if (!this.#leased()) return 'unanswered'
    return this.#renewWith(id) ? 'kept' : 'lost'
  }

  away (_id: string): boolean { return false }

  async claim (seen: SessionRecord): Promise<'claimed' | 'lost'> {
    if (!this.#leased()) throw new DirectoryUnavailableError('this node could not say that it is alive')
    const record = this.#read(seen.id)
    if (!record || !(this.#owns(record) || isAsSeen(record, seen))) return 'lost'
    record.node = this.#node.id
    record.url = this.#node.url
    record.released = undefined
    this.#renew(record)
    return 'claimed'
  }

  async unclaim ({ id, node, epoch, url, released, lastSeenAt }: SessionRecord): Promise<void> {
    const record = this.#read(id)
    if (!record || !this.#owns(record)) return
    Object.assign(record, { node, epoch, url, released, lastSeenAt })
    if (pauseOf(record) > 0) return
    record.adoptionFailures++
    record.failedAt = performance.now()
  }

  async giveUp (ids: string[], _bound: number): Promise<void> {
    for (const id of ids) {
      this.#renewWith(id)
      const record = this.#read(id)
      if (record && this.#owns(record)) record.released = true
    }
  }

  discard (id: string, by?: Remover): void {
    const record = this.#space.records.get(id)
    if (record && this.#owns(record)) this.#space.records.delete(id)
    else if (by !== undefined) this.#remove(id, by)
  }

  async remove (id: string, by: Remover): Promise<'removed' | 'unknown'> {
    return this.#remove(id, by)
  }

  #remove (id: string, by: Remover): 'removed' | 'unknown' {
    const record = this.#read(id)
    if (!record || !mayRemove(by, record)) return 'unknown'
    this.#space.records.delete(id)
    this.#ownerOf(record)?.local.end(id, 'closed')
    return 'removed'
  }

  async locate (id: string, _how?: { fresh?: boolean }): Promise<Location> {
    const record = this.#read(id)
    if (!record) return { status: 'unknown' }
    const owner = this.#ownerOf(record)?.node
    if (!owner || record.released || record.node === this.#node.id) return { status: 'orphaned', record: shown(record) }
    return { status: 'misrouted', record: shown(record), tag: owner.tag, url: owner.url, format: FORMAT }
  }

  /** Who is alive here and who is gone is known at once. */
  async awaitBeat (_record: SessionRecord, _bound: number): Promise<void> {}

  async oldestFormat (): Promise<number> { return FORMAT }

  async closing (): Promise<string[]> { return [] }

  lastSeen (tag: string): NodeStatus[] {
    const seen = tag === this.#node.tag ? undefined : this.#space.lastSeen.get(tag)
    return seen === undefined ? [] : [statusOf(seen)]
  }

  async list ({ cursor, limit }: { cursor?: string | undefined, limit: number }): Promise<{ sessions: SessionRecord[], cursor?: string }> {
    const after = cursor === undefined ? undefined : fromCursor(cursor)
    const last = after && { node: after[0], lastSeenAt: Number(after[1]), id: after[2] }
    const rest = [...this.#space.records.keys()]
      .flatMap(id => this.#read(id) ?? [])
      .sort(byNodeAndUse)
      .filter(record => !last || byNodeAndUse(record, last) > 0)
    const sessions = rest.slice(0, limit).map(shown)
    const end = sessions.at(-1)
    return end && rest.length > limit ? { sessions, cursor: toCursor([end.node, String(end.lastSeenAt), end.id]) } : { sessions }
  }

  async beats (node: string): Promise<boolean> {
    return (await this.nodes()).some(({ id }) => id === node)
  }

  async nodes (): Promise<NodeStatus[]> {
    return [...this.#space.nodes.values()].map(statusOf).sort((a, b) => compare(a.id, b.id))
  }

  async peers (): Promise<Peer[]> {
    return [...this.#space.nodes.values()].map(peerOf).sort((a, b) => compare(a.id, b.id))
  }

  announce (): void {}

  async stop (ids: string[], bound: number, { giveUp = false }: { giveUp?: boolean } = {}): Promise<number> {
    if (giveUp) await this.giveUp(ids, bound)
    else for (const id of ids) this.discard(id)
    if (this.#space.nodes.get(this.#node.id)?.node === this.#node) this.#space.nodes.delete(this.#node.id)
    return 0
  }

  /** Whether our lease runs; beats first if it does not. */
  #leased (): boolean {
    if (!this.#local.leased) this.#beat()
    return this.#local.leased
  }

  /** Says that we are alive. A new epoch is our records' too. */
  #beat (): void {
    const { nodes, lastSeen } = this.#space
    const { id, tag, incarnation } = this.#node
    const known = nodes.get(id)?.node
    if (known !== undefined && known.incarnation !== incarnation) return this.#local.superseded({ epoch: known.epoch })
    const self = { node: this.#node, local: this.#local }
    const epoch = this.#node.epoch
    const acknowledged = this.#local.beating()
    nodes.set(id, self)
    lastSeen.set(tag, self)
    acknowledged(known === undefined)
    // The others took us for dead.
    if (known === undefined && !this.#local.leased) return this.#beat()
    if (this.#node.epoch !== epoch) for (const id of this.#local.ids()) this.#renewWith(id)
  }

  #write (record: NewRecord): void {
    const { id: node, epoch, url } = this.#node
    const { id, createdAt, protocolVersion, clientInfo, principal, replay, state } = record
    const kept = { id, createdAt, protocolVersion, clientInfo, principal, replay, state }
    this.#space.records.set(id, { ...kept, node, epoch, url, released: undefined, lastSeenAt: Date.now(), adoptionFailures: 0 })
    this.#local.kept(id, epoch)
  }

  #renew (record: SessionRecord): void {
    record.epoch = this.#node.epoch
    record.lastSeenAt = Date.now()
    this.#local.kept(record.id, record.epoch)
  }

  /** Writes what its session says now; false when the session is not ours any more. Nothing is lost here: absence is a close. */
  #renewWith (id: string): boolean {
    const session = this.#local.record(id)
    if (session === undefined) return false
    const record = this.#read(id)
    if (!record || !this.#owns(record)) {
      this.#local.end(id, record ? 'taken' : 'closed')
      return false
    }
    record.replay = session.replay
    record.state = session.state
    record.adoptionFailures = 0
    this.#renew(record)
    return true
  }

  #read (id: string): MemoryRecord | undefined {
    const record = tagOf(id) === undefined ? undefined : this.#space.records.get(id)
    if (!record || Date.now() - record.lastSeenAt < this.#ttl) return record
    this.#space.records.delete(id)
    return undefined
  }

  #owns (record: SessionRecord): boolean { return owns(this.#node, record) }

  #ownerOf (record: SessionRecord): MemoryNode | undefined {
    const live = this.#space.nodes.get(record.node)
    return live?.node.epoch === record.epoch ? live : undefined
  }
}
