import { BEATS } from '../../../lib/beats.ts'
import { DirectoryUnavailableError } from '../../../lib/errors.ts'
import { FORMAT } from '../../../lib/format.ts'
import type { LocalNode, Location, SessionDirectory } from '../../../lib/directory/directory.ts'
import type { NodeStatus } from '../../../lib/directory/node.ts'
import type { NewRecord, SessionRecord } from '../../../lib/directory/record.ts'
import type { Remover } from '../../../lib/directory/remover.ts'
import type { Peer, TagTable } from '../../../lib/directory/tag-table.ts'
import { FakeLink, unanswered } from './fake-link.ts'
import type { LinkParts } from './fake-link.ts'

/** As in the product: milliseconds for a new record, and for a session to learn whether it is still ours. */
const ADD = 250
const LEASE = 1000
/** How often a removal follows a session from owner to owner. */
const ATTEMPTS = 3

export interface DirectoryParts extends LinkParts { heartbeat: number }

/** One node's directory over the fake Redis: the contract of sessions/directory.ts in its simplest form. */
export class FakeDirectory implements SessionDirectory {
  /** Sessions that are served although the directory did not say whose they are. */
  readonly unsure = new Set<string>()
  /** It was not asked, though it had answered. */
  unasked = false
  readonly #parts: DirectoryParts
  readonly #link: FakeLink
  readonly #due = new Set<string>()
  readonly #discards = new Map<string, Remover | undefined>()
  readonly #removals = new Map<string, Remover>()
  readonly #seen = new Map<string, NodeStatus>()
  readonly #owners = new Map<string, { at: number, location: Location }>()
  #local!: LocalNode
  #epoch: string
  #doubt = 0
  #beating: Promise<void> | undefined
  #again = false
  #claimed = false
  #stopped = false

  constructor (parts: DirectoryParts) {
    this.#parts = parts
    this.#link = new FakeLink(parts)
    this.#epoch = parts.node.epoch
  }

  async start (local: LocalNode): Promise<void> {
    this.#local = local
    await this.#hurry()
    this.#tick()
  }

  async add (record: NewRecord): Promise<boolean> {
    const written = await this.#write(record, ADD)
    if (written === undefined && this.#local.has(record.id)) this.#due.add(record.id)
    if (written === 'taken') this.#local.end(record.id, 'taken')
    return written === 'written'
  }

  touch (): void {}

  changed (id: string): void { this.#due.add(id) }

  async reclaim (id: string): Promise<'kept' | 'lost' | 'unanswered'> {
    const reclaiming = async () => await this.#leased() ? this.#renew(id) : 'unanswered'
    const outcome = await Promise.race([reclaiming(), this.#link.wait(LEASE).then(() => 'unanswered' as const)])
    if (outcome === 'unanswered') this.unsure.add(id)
    return outcome
  }

  away (id: string): boolean {
    const { silent } = this.#link
    if (silent) this.unsure.add(id)
    this.unasked ||= silent && this.#link.answered
    return silent
  }

  async claim (record: SessionRecord): Promise<'claimed' | 'lost'> {
    await Promise.race([this.#leased(), this.#link.wait(LEASE)])
    if (!this.#local.leased) throw new DirectoryUnavailableError('this node could not say that it is alive')
    this.#owners.delete(record.id)
    if (this.#discards.get(record.id) !== undefined) return 'lost'
    this.#discards.delete(record.id)
    const { epoch } = this.#parts.node
    if (!await this.#link.reading(scripts => scripts.claim(record, epoch))) return 'lost'
    this.#kept(record.id, epoch)
    return 'claimed'
  }

  async unclaim (record: SessionRecord): Promise<void> {
    await this.#link.try(scripts => scripts.unclaim(record))
  }

  async giveUp (ids: string[], bound: number): Promise<void> {
    const given = Promise.all(ids.map(id => this.#link.try(scripts => scripts.giveUp(id))))
    await Promise.race([given, this.#link.wait(bound)])
    for (const id of ids) this.#due.delete(id)
  }

  discard (id: string, by?: Remover): void {
    this.#due.delete(id)
    this.#discards.set(id, by ?? this.#discards.get(id))
    this.#drop(id)
  }

  async remove (id: string, by: Remover): Promise<'removed' | 'unknown' | 'queued'> {
    this.#owners.delete(id)
    if (this.#local.record(id) !== undefined) {
      this.#local.end(id, 'closed')
      this.discard(id, by)
      return 'removed'
    }
    const removed = await this.#remove(id).catch(unanswered)
    if (removed === undefined) this.#removals.set(id, by)
    return removed ?? 'queued'
  }

  async locate (id: string, { fresh = false }: { fresh?: boolean } = {}): Promise<Location> {
    const { world, heartbeat, redis } = this.#parts
    const remembered = this.#owners.get(id)
    if (fresh) this.#owners.delete(id)
    else if (remembered !== undefined && world.now - remembered.at < heartbeat) return remembered.location
    const asked = world.now
    const record = await this.#link.reading(scripts => scripts.read(id))
    if (record === undefined) {
      const location = this.#absent(asked)
      return this.#discards.has(id) || this.#removals.has(id) ? { status: 'unknown', ended: true } : location
    }
    if (this.#discards.get(id) !== undefined || this.#removals.has(id)) return { status: 'unknown', ended: true }
    if (record.released === true) return { status: 'orphaned', record }
    if (this.#link.scripts.ours(record)) return this.#discards.has(id) ? { status: 'unknown', ended: true } : { status: 'orphaned', record }
    const owner = await this.#link.reading(() => redis.alive(record.node))
    if (owner !== undefined && owner.epoch === record.epoch) {
      const location: Location = { status: 'misrouted', record, tag: owner.tag, url: owner.url, format: owner.format }
      this.#seen.set(owner.tag, owner)
      this.#owners.set(id, { at: world.now, location })
      return location
    }
    if (this.#doubt > asked) throw new DirectoryUnavailableError('the owner may not have beaten yet')
    return { status: 'orphaned', record }
  }

  async awaitBeat ({ node, epoch }: SessionRecord, bound: number): Promise<void> {
    const { world, redis, heartbeat } = this.#parts
    const end = world.now + bound
    let first: number | undefined
    while (world.now < end) {
      const look = await this.#link.try(() => ({ key: redis.alive(node) }))
      if (look !== undefined) {
        if (look.key === undefined ? !this.#doubting : look.key.epoch !== epoch || look.key.expires !== (first ?? look.key.expires)) return
        first ??= look.key?.expires
      }
      await this.#link.wait(Math.min(heartbeat / 4, end - world.now))
    }
  }

  get doubtful (): boolean {
    return this.#doubt > this.#parts.world.now
  }

  async oldestFormat (): Promise<number> { return FORMAT }

  async closing (): Promise<string[]> {
    const { redis, node } = this.#parts
    return await this.#link.try(() => [...redis.closing.get(node.id) ?? []], 300) ?? []
  }

  lastSeen (tag: string): NodeStatus[] {
    const seen = tag === this.#parts.node.tag ? undefined : this.#seen.get(tag)
    return seen === undefined ? [] : [seen]
  }

  async list (): Promise<{ sessions: SessionRecord[] }> {
    return { sessions: await this.#link.reading(() => [...this.#parts.redis.records.values()]) }
  }

  readonly stamp = 0

  readonly trails = { note: () => {}, read: async () => ({ steps: [] }) }
  readonly tags: TagTable = {
    latest: () => this.#parts.redis.holders,
    read: () => this.#link.reading(() => new Map(this.#parts.redis.holders)),
    move: (tag, seen, to) => this.#link.reading(scripts => scripts.moveTag(tag, seen, to))
  }

  async nodes (): Promise<NodeStatus[]> {
    return this.peers()
  }

  async peers (): Promise<Peer[]> {
    const { redis } = this.#parts
    const nodes = await this.#link.reading(() => [...redis.nodes.keys()].flatMap(id => redis.alive(id) ?? []))
    if (this.#doubting) throw new DirectoryUnavailableError('not every node may have beaten yet')
    for (const node of nodes) this.#seen.set(node.tag, node)
    return nodes
  }

  async beats (node: string): Promise<boolean> {
    return (await this.nodes()).some(({ id }) => id === node)
  }

  announce (): void { this.#soon() }

  async stop (ids: string[], bound: number): Promise<number> {
    this.#stopped = true
    await this.giveUp(ids, bound)
    await this.#link.try(scripts => scripts.withdraw())
    return 0
  }

  /** The connection is new: whatever was written may be lost. */
  reconnected (): void {
    if (this.#stopped) return
    this.#link.reconnected()
    this.#raise()
    this.#soon()
  }

  get #doubting (): boolean { return this.#parts.world.now < this.#doubt }

  /** What was read is as old as the question. */
  #absent (asked: number): { status: 'unknown' } {
    if (this.#doubt > asked) throw new DirectoryUnavailableError('what is missing may be lost')
    return { status: 'unknown' }
  }

  #raise (): void {
    const { world, heartbeat } = this.#parts
    this.#doubt = world.now + BEATS.doubt * heartbeat
    for (const id of this.#local.ids()) this.#due.add(id)
  }

  #tick (): void {
    this.#own(this.#link.wait(this.#parts.heartbeat).then(() => {
      if (this.#stopped) return
      this.#soon()
      this.#tick()
    }))
  }

  async #leased (): Promise<boolean> {
    if (!this.#local.leased) await this.#hurry()
    return this.#local.leased
  }

  #soon (): void { this.#own(this.#hurry()) }

  #own (promise: Promise<unknown>): void { this.#parts.world.own(promise) }

  #hurry (): Promise<void> {
    this.#again = true
    this.#beating ??= this.#turn().finally(() => { this.#beating = undefined })
    return this.#beating
  }

  async #turn (): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false
      await this.#beat()
    }
    this.#flush()
  }

  async #beat (): Promise<void> {
    const { node: { id, url, tag, tags, incarnation, started, endpoints }, heartbeat } = this.#parts
    const acknowledged = this.#local.beating()
    const state = this.#local.draining ? 'draining' : 'up'
    const key = { id, url, tag, tags, incarnation, started, tagged: this.#local.tagged, epoch: this.#parts.node.epoch, state, sessions: this.#local.size, room: this.#local.room, format: FORMAT, endpoints } as const
    const claimed = this.#claimed
    const beat = await this.#link.try(scripts => scripts.beat(key, BEATS.place * heartbeat, claimed))
    if (beat === undefined) return
    if ('superseded' in beat) {
      this.#stopped = true
      return this.#local.superseded({ epoch: beat.superseded })
    }
    this.#claimed = true
    acknowledged(beat.gone)
    for (const id of beat.closed) {
      this.#local.end(id, 'closed')
      this.discard(id)
    }
    if (beat.closed.length > 0) this.#own(this.#link.try(scripts => scripts.closed(beat.closed)))
    if (this.#epoch !== this.#parts.node.epoch) {
      this.#epoch = this.#parts.node.epoch
      for (const id of this.#local.ids()) this.#due.add(id)
    }
    if (!beat.gone || !claimed) return
    this.#raise()
    this.#again = true
  }

  #flush (): void {
    for (const id of [...this.#due]) if (this.#local.has(id)) this.#own(this.#renew(id))
    for (const id of this.#discards.keys()) this.#drop(id)
    for (const id of this.#removals.keys()) this.#own(this.#remove(id).then(() => this.#removals.delete(id)).catch(unavailable))
  }

  async #renew (id: string): Promise<'kept' | 'lost' | 'unanswered'> {
    const { epoch } = this.#parts.node
    const changes = this.#local.record(id)
    this.#due.delete(id)
    let outcome: string | undefined = await this.#link.try(scripts => scripts.renew(id, changes, epoch))
    if (outcome === 'absent' && changes !== undefined && this.#local.has(id)) outcome = await this.#write(changes)
    else if (outcome === 'kept') this.#kept(id, epoch)
    if (outcome === undefined && this.#local.has(id)) this.#due.add(id)
    if (outcome === undefined) return 'unanswered'
    if (outcome === 'taken' || outcome === 'closed') this.#local.end(id, outcome)
    return outcome === 'kept' || outcome === 'written' ? 'kept' : 'lost'
  }

  async #write (record: NewRecord, bound?: number): Promise<'written' | 'taken' | undefined> {
    const { epoch } = this.#parts.node
    const written = await this.#link.try(scripts => scripts.add(record, epoch), bound)
    if (written === 'written') this.#kept(record.id, epoch)
    return written
  }

  #kept (id: string, epoch: string): void {
    this.unsure.delete(id)
    this.#local.kept(id, epoch)
  }

  /** Where somebody asked for it, the others that have it, or may have, are told. */
  #drop (id: string): void {
    const asked = this.#discards.get(id) !== undefined
    this.#own(this.#link.try(scripts => scripts.drop(id, asked)).then(dropped => {
      const by = this.#discards.get(id)
      if (dropped !== undefined) this.#discards.delete(id)
      if (dropped !== 'others' || by === undefined) return
      this.#removals.set(id, by)
      this.#flush()
    }))
  }

  /** First the owner's close set, then the record, if it still has the owner that was told. */
  async #remove (id: string): Promise<'removed' | 'unknown'> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const asked = this.#parts.world.now
      const record = await this.#link.call(scripts => scripts.read(id))
      if (record === undefined) return this.#absent(asked).status
      await this.#link.call(scripts => scripts.tell(record))
      if (await this.#link.call(scripts => scripts.remove(record))) return 'removed'
    }
    throw new DirectoryUnavailableError('the session keeps changing its owner')
  }
}

function unavailable (error: unknown): void {
  if (!(error instanceof DirectoryUnavailableError)) unanswered(error)
}
