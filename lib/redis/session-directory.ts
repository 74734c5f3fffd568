import type { DirectoryReadings } from '../counters.ts'
import { tagOf } from '../session-id.ts'
import type { LocalNode, Location, SessionDirectory } from '../directory/directory.ts'
import { incarnationOf, type NodeStatus } from '../directory/node.ts'
import type { NewRecord, SessionRecord } from '../directory/record.ts'
import type { Peer } from '../directory/tag-table.ts'
import { mayRemove, type Remover } from '../directory/remover.ts'
import { within } from '../bounds/within.ts'
import { listPage, type Page } from './finding/listing.ts'
import { locate } from './finding/locate.ts'
import { OwnRecords } from './keeping/own-records.ts'
import { RecordKeeper, type Reclaimed } from './keeping/record-keeper.ts'
import { warnOfEviction } from './link/eviction.ts'
import { orUnavailable, unavailable } from './link/unavailable.ts'
import type { RedisTrails } from './keeping/trails.ts'
import { readWish } from './nodes/close-set.ts'
import type { Load } from './nodes/loads.ts'
import type { NodeState } from './nodes/node-state.ts'
import { OwnKeys } from './nodes/own-keys.ts'
import { SharedSecret } from './nodes/shared-secret.ts'
import type { RedisTagTable } from './nodes/tag-table.ts'
import { liveNodes, statusOf, type Loaded } from './status.ts'
import { partsOf, type Parts, type RedisDirectoryOptions } from './parts.ts'
import { Upkeep } from './upkeep.ts'

/** How long `start` waits for a connection that is being made, in milliseconds. */
const CONNECTING = 1000
/** How long a session waits to be told whether it is still ours, and a claim for this node's beat, in milliseconds. */
const LEASE_BOUND = 1000
/** How long a node that asks waits for our close set, in milliseconds: it gives us a second for the whole. */
const CLOSING_BOUND = 300

export function redisDirectory (options: RedisDirectoryOptions): SessionDirectory {
  return new RedisDirectory(options)
}

/**
 * The session directory in Redis (ADR-0066): one record a session, shared by
 * all nodes. This is its face, what others ask of it; what it does by itself is
 * in upkeep.ts.
 */
class RedisDirectory implements SessionDirectory {
  readonly #options: RedisDirectoryOptions
  readonly #parts: Parts
  /** These are set by start; nothing but connections comes before. */
  #local!: LocalNode
  #records!: OwnRecords
  #keeper!: RecordKeeper
  #ownKeys!: OwnKeys
  #upkeep: Upkeep | undefined

  constructor (options: RedisDirectoryOptions) {
    this.#options = options
    // Connected before we started: nothing can have been lost since.
    this.#parts = partsOf(options, {
      masterGone: () => this.#upkeep?.recheck(),
      answering: outage => this.#upkeep?.answering(outage),
      reconnected: () => this.#upkeep?.reconnected()
    })
  }

  get doubtful (): boolean {
    const { doubt, link } = this.#parts
    return doubt.left > 0 || !link.ready || link.ailing
  }

  get readings (): DirectoryReadings {
    const { availability: { up, outages }, ownerCache: { asked } } = this.#parts
    return { up, outages, owners: asked }
  }

  async start (local: LocalNode): Promise<void> {
    const { secret, log } = this.#options
    const { link, keys, removals, availability } = this.#parts
    const parts = { ...this.#parts, local }
    const tellOthers = (id: string, by: Remover): boolean => {
      const asked = removals.ask(id, by)
      this.#upkeep?.flushNow()
      return asked
    }
    this.#local = local
    this.#records = new OwnRecords(parts)
    this.#keeper = new RecordKeeper({ ...parts, records: this.#records, onOthers: tellOthers })
    this.#ownKeys = new OwnKeys(parts)
    const shared = secret && new SharedSecret({ ...parts, keeper: secret })
    if (!await link.connected(CONNECTING)) availability.lost('the client is not connected')
    this.#upkeep = new Upkeep({ ...parts, keeper: this.#keeper, ownKeys: this.#ownKeys, secret: async () => { await shared?.look() } })
    await this.#upkeep.start()
    await warnOfEviction(link, keys, log)
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
    const { link, keys } = this.#parts
    return link.silent(keys.session(id)) || (!this.#local.leased && link.silent(keys.members))
  }

  async claim (record: SessionRecord): Promise<'claimed' | 'lost'> {
    const { doubt, ownerCache, failures } = this.#parts
    if (doubt.refused) throw unavailable('Redis refuses what this node writes', doubt.left)
    let leased = false
    await within(LEASE_BOUND, this.#leased().then(now => { leased = now }))
    // Whoever reads the record then must find us alive.
    if (!leased) throw unavailable('this node could not say that it is alive')
    ownerCache.forget(record.id)
    if (!this.#keeper.claiming(record.id)) return 'lost'
    const epoch = await orUnavailable(failures.noting(this.#records.claim(record)))
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

  discard (id: string, by?: Remover): void {
    this.#keeper.discard(id, by)
  }

  async remove (id: string, by: Remover): Promise<'removed' | 'unknown' | 'queued'> {
    const { ownerCache, removals } = this.#parts
    if (tagOf(id) === undefined) return 'unknown'
    ownerCache.forget(id)
    const local = this.#local.record(id)
    const asked = local !== undefined && mayRemove(by, local)
    // Another principal's goes the way of an id that isn't here, so that nothing tells them apart.
    if (!asked) return await orUnavailable(removals.remove(id, by))
    this.#upkeep?.endClosed(id, by)
    return 'removed'
  }

  locate (id: string, { fresh = false, by }: { fresh?: boolean, by?: string | undefined } = {}): Promise<Location> {
    const closing = [...this.#keeper.removersOf(id), ...this.#parts.removals.waiting(id)]
    return orUnavailable(locate(this.#parts, id, { by, fresh, discarding: this.#keeper.discarding(id), closing }))
  }

  awaitBeat (record: SessionRecord, bound: number): Promise<void> {
    return this.#parts.ownerBeats.wait(record, bound)
  }

  async oldestFormat (): Promise<number> {
    return await this.#parts.failures.attempt(this.#parts.registry.oldestFormat()) ?? 0
  }

  async closing (): Promise<string[]> {
    let ids: string[] = []
    await within(CLOSING_BOUND, this.#parts.closeSet.tryRead().then(read => { ids = (read ?? []).filter(id => readWish(id) === undefined) }))
    return ids
  }

  lastSeen (tag: string): NodeStatus[] {
    const { registry, tags, node: own } = this.#parts
    const holder = tags.latest().get(tag)
    const live = holder === undefined || holder.node === own.id ? undefined : registry.latest().get(holder.node)
    const holds = live !== undefined && live.epoch.startsWith(`${holder!.incarnation}.`) ? [live] : []
    const seen = registry.lastSeen(tag)
    return [...holds, ...seen === undefined || seen.id === live?.id ? [] : [seen]].map(node => statusOf(node, node.load))
  }

  list (page: { cursor?: string | undefined, limit: number }): Promise<Page> {
    return orUnavailable(listPage(this.#parts, page))
  }

  get tags (): RedisTagTable { return this.#parts.tags }

  get trails (): RedisTrails { return this.#parts.trails }

  get stamp (): number { return Math.max(this.#parts.registry.stamp, this.#parts.tags.stamp) }

  async nodes (): Promise<NodeStatus[]> {
    return (await this.#alive(true)).map(([node, load]) => statusOf(node, load))
  }

  async peers (withLoads = true): Promise<Peer[]> {
    return (await this.#alive(withLoads)).map(([node, load]) => peerOf(node, load))
  }

  async beats (node: string): Promise<boolean> {
    const { registry, doubt } = this.#parts
    const seen = (await orUnavailable(registry.alive())).has(node)
    if (doubt.left > 0) throw unavailable('not every node may have been able to beat', doubt.left)
    return seen && await orUnavailable(registry.read(node)) !== undefined
  }

  announce (): void {
    this.#upkeep?.hurry()
  }

  async stop (ids: string[], bound: number, { giveUp = false }: { giveUp?: boolean } = {}): Promise<number> {
    const { link, ownerBeats, removals, trails, failures } = this.#parts
    const deadline = performance.now() + bound
    this.#upkeep?.stop()
    ownerBeats.stop()
    try {
      // The application closes without having started.
      if (this.#upkeep === undefined) return 0
      const kept = giveUp ? await this.#keeper.giveUp(ids, deadline) : 0
      const left = await this.#keeper.clear(giveUp ? [] : ids, deadline)
      await within(deadline - performance.now(), failures.attempt(Promise.all([removals.flush(), trails.flush()])))
      await within(deadline - performance.now(), failures.attempt(this.#ownKeys.withdraw()))
      return kept + left
    } finally {
      link.stop()
    }
  }

  async #alive (withLoads: boolean): Promise<Loaded[]> {
    const { doubt } = this.#parts
    const alive = await orUnavailable(liveNodes(this.#parts, withLoads))
    // Redis may have come back empty, or have refused their beats too.
    if (doubt.left > 0) throw unavailable('not every node may have been able to beat', doubt.left)
    return alive
  }

  /** Whether our lease runs; beats first if it does not. */
  async #leased (): Promise<boolean> {
    return await this.#upkeep?.leased() ?? this.#local.leased
  }
}

function peerOf (node: NodeState, load: Load | undefined): Peer {
  const { epoch, started, tags } = node
  return { ...statusOf(node, load), incarnation: incarnationOf(epoch), started, tags, tagged: load?.tags ?? {} }
}
