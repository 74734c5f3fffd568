import { FORMAT } from '../format.ts'
import { shortId, tagOf } from '../session-id.ts'
import type { DirectoryOwner, Location, SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity, NodeStatus } from '../directory/node.ts'
import type { NewRecord, SessionRecord } from '../directory/record.ts'
import type { Remover } from '../directory/remover.ts'
import { within } from '../bounds/within.ts'
import { Availability, type Log } from './link/availability.ts'
import type { RedisClient } from './client.ts'
import { CloseSet } from './nodes/close-set.ts'
import { Doubt } from './nodes/doubt.ts'
import { Heartbeat } from './nodes/heartbeat.ts'
import { redisKeys, type Keys } from './keys.ts'
import { Link } from './link/link.ts'
import { listPage, type Page } from './finding/listing.ts'
import { locate } from './finding/locate.ts'
import { Neighbours, type SharedOptions } from './nodes/neighbours.ts'
import { NodeRegistry } from './nodes/node-registry.ts'
import { OwnRecords } from './keeping/own-records.ts'
import { OwnerCache } from './finding/owner-cache.ts'
import { RecordKeeper, type Reclaimed } from './keeping/record-keeper.ts'
import { RecordReader } from './finding/record-reader.ts'
import { pageIndex } from './scripts/record-scripts.ts'
import { isRefusal } from './link/refusal.ts'
import { mayRemove } from '../directory/remover.ts'
import { Removals } from './clearing/removals.ts'
import { evictingPolicy } from './link/eviction.ts'
import { SharedSecret, type SecretKeeper } from './nodes/shared-secret.ts'
import { Sweeper } from './clearing/sweeper.ts'
import { orUnavailable, unavailable } from './link/unavailable.ts'
import { Unreadable } from './link/unreadable.ts'
import { OwnKeys } from './nodes/own-keys.ts'
import { Watch } from './nodes/owner-beats.ts'

/** A node counts as gone after three missed beats. */
const BEATS = 3
/** Milliseconds between two looks at what dead nodes have left. */
const SWEEP = 60_000
/** How long `start` waits for a connection that is being made, in milliseconds. */
const CONNECTING = 1000
/** How long a session waits to be told whether it is still ours, and a claim for this node's beat, in milliseconds. */
const LEASE_BOUND = 1000
/** How long a node that asks waits for our close set, in milliseconds: it gives us a second for the whole. */
const CLOSING_BOUND = 300

export interface RedisDirectoryOptions {
  /** The user's client; it is never closed. */
  client: RedisClient
  node: NodeIdentity
  keyPrefix: string
  /** Life of a record, in milliseconds. */
  ttl: number
  /** Milliseconds between two beats. */
  heartbeat: number
  /** Records of dead nodes go when nobody has asked for them this long, in milliseconds; Infinity or nothing: when they expire. */
  sweepAfter?: number
  /** What must be the same on all nodes, to be compared. */
  options?: SharedOptions
  /** What the nodes prove themselves to each other with. Nothing: they do not. */
  secret?: SecretKeeper
  log: Log
}

export function redisDirectory (options: RedisDirectoryOptions): SessionDirectory {
  return new RedisDirectory(options)
}

/** The session directory in Redis (ADR-0066): one record a session, shared by all nodes. */
class RedisDirectory implements SessionDirectory {
  readonly kind = 'redis'
  readonly #options: RedisDirectoryOptions
  readonly #keys: Keys
  readonly #link: Link
  readonly #availability: Availability
  readonly #doubt: Doubt
  readonly #unreadable: Unreadable
  readonly #registry: NodeRegistry
  readonly #reader: RecordReader
  readonly #removals: Removals
  readonly #closeSet: CloseSet
  readonly #sweeper: Sweeper | undefined
  readonly #owners = new OwnerCache()
  readonly #watch: Watch
  /** These are set by start; nothing but connections comes before. */
  #owner!: DirectoryOwner
  #records!: OwnRecords
  #keeper!: RecordKeeper
  #heartbeat: Heartbeat | undefined
  #ownKeys: OwnKeys | undefined
  /** The epoch that our records were last moved to. */
  #epoch: string
  #flushing = false

  constructor (options: RedisDirectoryOptions) {
    const { client, node, keyPrefix, heartbeat, sweepAfter = Infinity, options: shared, log } = options
    this.#options = options
    this.#keys = redisKeys(keyPrefix)
    this.#availability = new Availability(log)
    this.#link = new Link(client, {
      lost: why => this.#availability.lost(why),
      masterGone: () => this.#heartbeat && this.#recheck(),
      answering: outage => this.#answering(outage),
      regained: () => this.#availability.regained(),
      reconnected: () => this.#reconnected()
    })
    this.#doubt = new Doubt(BEATS * heartbeat)
    this.#unreadable = new Unreadable(log)
    this.#epoch = node.epoch
    const parts = { link: this.#link, keys: this.#keys, doubt: this.#doubt, unreadable: this.#unreadable, onFailed: (err: unknown) => this.#failed(err) }
    this.#registry = new NodeRegistry({ ...parts, node, heartbeat, options: shared, neighbours: new Neighbours(shared, log) })
    this.#watch = new Watch({ ...parts, registry: this.#registry, heartbeat })
    this.#reader = new RecordReader({ ...parts, registry: this.#registry })
    this.#removals = new Removals({ ...parts, reader: this.#reader })
    this.#closeSet = new CloseSet(this.#link, this.#keys, node.id, this.#unreadable)
    if (sweepAfter !== Infinity) {
      this.#sweeper = new Sweeper({
        ...parts,
        node,
        log,
        after: sweepAfter,
        interval: SWEEP,
        nodes: async () => ({ ids: await this.#registry.ids(), live: await this.#registry.alive() })
      })
    }
  }

  get doubtful (): boolean {
    return this.#doubt.left > 0 || !this.#link.ready || this.#link.ailing
  }

  async start (owner: DirectoryOwner): Promise<void> {
    const { node, ttl, heartbeat, secret, log } = this.#options
    const parts = { node, link: this.#link, closeSet: this.#closeSet, onFailed: (err: unknown) => this.#failed(err) }
    const shared = secret && new SharedSecret({ ...parts, keys: this.#keys, keeper: secret })
    this.#owner = owner
    this.#ownKeys = new OwnKeys({ ...parts, keys: this.#keys, owner, registry: this.#registry, unreadable: this.#unreadable, heartbeat })
    this.#records = new OwnRecords({ ...parts, keys: this.#keys, ttl })
    this.#keeper = new RecordKeeper({ ...parts, owner, records: this.#records, onOthers: (id, by) => this.#tellOthers(id, by) })
    if (!await this.#link.connected(CONNECTING)) this.#availability.lost('the client is not connected')
    this.#heartbeat = new Heartbeat({
      ...parts,
      registry: this.#registry,
      secret: shared === undefined ? async () => {} : () => shared.look(),
      interval: heartbeat,
      report: () => ({ state: owner.draining ? 'draining' : 'up', sessions: owner.size, room: owner.draining ? 0 : owner.room }),
      beating: () => this.#beating(),
      onBeat: beat => this.#onBeat(beat),
      onTick: () => this.#flushNow(),
      onFailed: err => this.#beatFailed(err),
      onAccepted: () => { if (this.#doubt.accept()) this.#availability.accepted() },
      onSuperseded: (by, err) => {
        log.error({ err, node: node.id }, 'another process has this node\'s identity')
        owner.superseded({ epoch: by.epoch })
      }
    })
    await this.#heartbeat.start()
    await this.#warnOfEviction()
  }

  add (record: NewRecord): Promise<boolean> {
    return this.#keeper.add(record)
  }

  touch (id: string): void {
    this.#keeper.touch(id)
  }

  changed (id: string): void {
    this.#keeper.changed(id)
  }

  async reclaim (id: string): Promise<Reclaimed> {
    let outcome: Reclaimed = 'unanswered'
    const reclaiming = async () => { if (await this.#leased()) outcome = await this.#keeper.reclaim(id) }
    await within(LEASE_BOUND, reclaiming())
    return outcome
  }

  away (id: string): boolean {
    return this.#link.silent(this.#keys.session(id)) || (!this.#owner.leased && this.#link.silent(this.#keys.node(this.#options.node.id)))
  }

  async claim (record: SessionRecord): Promise<'claimed' | 'lost'> {
    if (this.#doubt.refused) throw unavailable('Redis refuses what this node writes', this.#doubt.left)
    let leased = false
    await within(LEASE_BOUND, this.#leased().then(now => { leased = now }))
    // Whoever reads the record then must find us alive.
    if (!leased) throw unavailable('this node could not say that it is alive')
    this.#owners.forget(record.id)
    if (!this.#keeper.claiming(record.id)) return 'lost'
    const epoch = await orUnavailable(this.#noting(this.#records.claim(record)))
    if (epoch === undefined) return 'lost'
    await this.#keeper.claimed(record.id, epoch)
    return 'claimed'
  }

  async unclaim (record: SessionRecord): Promise<void> {
    await this.#keeper.unclaiming(record.id)
    await this.#records.unclaim(record)
  }

  async giveUp (ids: string[], bound: number): Promise<void> {
    await within(bound, this.#keeper.giveUp(ids, performance.now() + bound))
  }

  release (id: string, by?: Remover): void {
    this.#keeper.release(id, by)
  }

  async remove (id: string, by: Remover): Promise<'removed' | 'unknown' | 'queued'> {
    if (tagOf(id) === undefined) return 'unknown'
    this.#owners.forget(id)
    const local = this.#owner.record(id)
    const asked = local !== undefined && mayRemove(by, local)
    // Another principal's goes the way of an id that isn't here, so that nothing tells them apart.
    if (!asked) return await orUnavailable(this.#removals.remove(id, by))
    this.#endClosed(id, by)
    return 'removed'
  }

  locate (id: string, { fresh = false, by }: { fresh?: boolean, by?: string | undefined } = {}): Promise<Location> {
    const parts = { node: this.#options.node, reader: this.#reader, registry: this.#registry, doubt: this.#doubt, owners: this.#owners }
    const closing = [...this.#keeper.closing(id), ...this.#removals.waiting(id)]
    return orUnavailable(locate(parts, id, { by, fresh, releasing: this.#keeper.releasing(id), closing }))
  }

  watch (record: SessionRecord, bound: number): Promise<void> {
    return this.#watch.wait(record, bound)
  }

  get oldestFormat (): number {
    return Math.min(FORMAT, ...[...this.#registry.latest().values()].map(({ format }) => format))
  }

  async closing (): Promise<string[]> {
    let ids: string[] = []
    await within(CLOSING_BOUND, this.#closeSet.tryRead().then(read => { ids = read ?? [] }))
    return ids
  }

  lastSeen (tag: string): NodeStatus | undefined {
    const node = this.#registry.lastSeen(tag)
    return node && statusOf(node)
  }

  list (page: { cursor?: string | undefined, limit: number }): Promise<Page> {
    return orUnavailable(listPage({ link: this.#link, keys: this.#keys, registry: this.#registry, unreadable: this.#unreadable }, page))
  }

  async nodes (): Promise<NodeStatus[]> {
    const alive = [...(await orUnavailable(this.#registry.alive())).values()]
    // Redis may have come back empty, or have refused their beats too.
    if (this.#doubt.left > 0) throw unavailable('not every node may have been able to beat', this.#doubt.left)
    return alive.map(statusOf).sort((a, b) => a.id < b.id ? -1 : 1)
  }

  async beats (node: string): Promise<boolean> {
    const seen = (await this.nodes()).some(({ id }) => id === node)
    return seen && await orUnavailable(this.#registry.read(node)) !== undefined
  }

  announce (): void {
    this.#hurry()
  }

  async stop (ids: string[], bound: number, { giveUp = false }: { giveUp?: boolean } = {}): Promise<number> {
    const deadline = performance.now() + bound
    this.#heartbeat?.stop()
    this.#ownKeys?.stop()
    this.#watch.stop()
    // The application closes without having started.
    if (this.#heartbeat === undefined) {
      this.#link.stop()
      return 0
    }
    try {
      const kept = giveUp ? await this.#keeper.giveUp(ids, deadline) : 0
      const left = await this.#keeper.clear(giveUp ? [] : ids, deadline)
      await within(deadline - performance.now(), this.#removals.flush().catch(err => this.#failed(err)))
      await within(deadline - performance.now(), this.#withdraw().catch(err => this.#failed(err)))
      return kept + left
    } finally {
      this.#link.stop()
    }
  }

  /** Whether our lease runs; beats first if it does not. */
  async #leased (): Promise<boolean> {
    if (!this.#owner.leased) await this.#heartbeat?.hurry()
    return this.#owner.leased
  }

  async #warnOfEviction (): Promise<void> {
    const policy = await evictingPolicy(this.#link, this.#keys)
    if (policy !== undefined) this.#options.log.warn({ maxmemoryPolicy: policy }, 'Redis may evict what the session directory keeps there; set its maxmemory-policy to noeviction')
  }

  #beating (): (gone: boolean) => void {
    const sent = performance.now()
    const acknowledged = this.#owner.beating()
    return gone => {
      this.#doubt.beaten(sent)
      acknowledged(gone)
    }
  }

  #beatFailed (err: unknown): void {
    if (!isRefusal(err)) return this.#failed(err)
    this.#doubt.refuse()
    this.#availability.refused(err)
  }

  async #noting<T> (work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (err) {
      if (isRefusal(err)) this.#doubt.raise()
      throw err
    }
  }

  /** A command failed. What Redis refuses of ours it may refuse of others. */
  #failed (err: unknown): void {
    if (isRefusal(err)) this.#doubt.raise()
    this.#availability.failed(err)
  }

  #onBeat ({ gone, closed }: { gone: boolean, closed: string[] }): void {
    for (const id of closed) this.#endClosed(id)
    const { epoch } = this.#options.node
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      this.#keeper.verifyAll()
    }
    if (!gone) return this.#removals.beaten()
    this.#doubt.raise()
    this.#recheck()
  }

  /** Whoever asked may have died before the record was deleted, so we delete it as well. */
  #endClosed (id: string, by?: Remover): void {
    this.#options.log.debug({ session: shortId(id) }, 'a close was asked for')
    this.#owner.end(id, 'closed')
    this.#keeper.release(id, by)
  }

  #tellOthers (id: string, by: Remover): boolean {
    const asked = this.#removals.ask(id, by)
    this.#flushNow()
    return asked
  }

  #flushNow (): void {
    this.#flush().catch(err => this.#failed(err))
  }

  #hurry (): void {
    this.#heartbeat?.hurry().catch(err => this.#failed(err))
  }

  async #flush (): Promise<void> {
    if (this.#flushing) return
    this.#flushing = true
    try {
      this.#link.refresh()
      // Refused or unanswered, one leaves the others their turn.
      await this.#attempt(this.#keeper.flush())
      await this.#attempt(this.#removals.flush())
      if (this.#ownKeys && await this.#attempt(this.#ownKeys.turn())) await this.#attempt(this.#removals.remind())
      await this.#sweeper?.turn()
      if (this.#options.node.url !== undefined) await this.#attempt(this.#registry.keepLooking())
    } finally {
      this.#flushing = false
    }
  }

  async #attempt<T> (work: Promise<T>): Promise<T | undefined> {
    try {
      return await work
    } catch (err) {
      this.#failed(err)
      return undefined
    }
  }

  #answering (outage: number): void {
    // The others could not beat either.
    if (outage > this.#options.heartbeat) this.#doubt.raise()
    this.#hurry()
  }

  #reconnected (): void {
    // Connected before we started: nothing can have been lost since.
    if (!this.#heartbeat) return
    this.#doubt.raise()
    this.#recheck()
    this.#heartbeat.startOver().catch(err => this.#failed(err))
  }

  /** Whatever was written may be lost. */
  #recheck (): void {
    this.#keeper.verifyAll()
    this.#removals.again()
  }

  /** Sessions of an earlier incarnation may be left in the index; then our id stays, for whoever lists or cleans up. */
  async #withdraw (): Promise<void> {
    if (!await this.#registry.withdraw()) return
    await this.#closeSet.delete()
    const left = await this.#link.run(pageIndex, this.#keys.index(this.#options.node.id), ['', '', '1']) as string[]
    if (left.length === 0) await this.#registry.forget()
  }
}

function statusOf ({ id, url, tag, state, sessions, room, format }: NodeStatus): NodeStatus {
  return { id, url, tag, state, sessions, room, format }
}
