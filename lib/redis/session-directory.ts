import type { FastifyBaseLogger } from 'fastify'
import { shortId, tagOf } from '../session-id.ts'
import type { DirectoryOwner, Location, NewRecord, NodeIdentity, Remover, SessionDirectory } from '../sessions/directory.ts'
import { before } from './before.ts'
import type { RedisClient } from './client.ts'
import { CloseSet } from './close-set.ts'
import { Doubt } from './doubt.ts'
import { Heartbeat } from './heartbeat.ts'
import { redisKeys, type Keys } from './keys.ts'
import { Link, NoAnswer } from './link.ts'
import { listPage, type Page } from './listing.ts'
import { NodeRegistry } from './node-registry.ts'
import { RecordKeeper } from './record-keeper.ts'
import { RecordReader } from './record-reader.ts'
import { Removals } from './removals.ts'
import { pageIndex } from './record-scripts.ts'
import { orUnavailable, unavailable } from './unavailable.ts'

/** A node counts as gone after three missed beats. */
const BEATS = 3
/** How long `start` waits for a connection that is being made, in milliseconds. */
const CONNECTING = 1000

export interface RedisDirectoryOptions {
  /** The user's client; it is never closed. */
  client: RedisClient
  node: NodeIdentity
  keyPrefix: string
  /** Life of a record, in milliseconds. */
  ttl: number
  /** Milliseconds between two beats. */
  heartbeat: number
  log: Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>
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
  readonly #doubt: Doubt
  readonly #registry: NodeRegistry
  readonly #reader: RecordReader
  readonly #removals: Removals
  readonly #closeSet: CloseSet
  /** Set by start. */
  #owner!: DirectoryOwner
  #keeper!: RecordKeeper
  #heartbeat: Heartbeat | undefined
  #flushing = false
  #stopped = false
  #away = false
  #complaint = ''

  constructor (options: RedisDirectoryOptions) {
    const { client, node, keyPrefix, heartbeat } = options
    this.#options = options
    this.#keys = redisKeys(keyPrefix)
    this.#link = new Link(client, {
      lost: why => this.#lost(why),
      answering: outage => this.#regained({ doubtful: outage > heartbeat, renewed: false }),
      reconnected: () => this.#regained({ doubtful: true, renewed: true })
    })
    this.#doubt = new Doubt(BEATS * heartbeat)
    const parts = { link: this.#link, keys: this.#keys, doubt: this.#doubt }
    this.#registry = new NodeRegistry({ ...parts, node, heartbeat })
    this.#reader = new RecordReader({ ...parts, registry: this.#registry })
    this.#removals = new Removals({ ...parts, reader: this.#reader })
    this.#closeSet = new CloseSet(this.#link, this.#keys, node.id)
  }

  async start (owner: DirectoryOwner): Promise<void> {
    const { node, ttl, heartbeat } = this.#options
    this.#owner = owner
    this.#keeper = new RecordKeeper({ link: this.#link, keys: this.#keys, node, ttl, owner, closeSet: this.#closeSet })
    if (!await this.#link.connected(CONNECTING)) this.#lost('the client is not connected')
    this.#heartbeat = new Heartbeat({
      registry: this.#registry,
      closeSet: this.#closeSet,
      node,
      interval: heartbeat,
      size: () => owner.size,
      onBeat: beat => this.#onBeat(beat),
      onTick: () => { this.#flush() },
      onSuperseded: (by, err) => {
        this.#options.log.error({ err, node: node.id }, 'another process claimed this node\'s identity')
        owner.superseded({ epoch: by.epoch })
      },
      onFailed: err => this.#complain(err)
    })
    await this.#heartbeat.start()
  }

  add (record: NewRecord): Promise<boolean> {
    return this.#keeper.add(record)
  }

  touch (id: string): void {
    this.#keeper.touch(id)
  }

  release (id: string): void {
    if (!this.#stopped) this.#keeper.release(id)
  }

  async remove (id: string, by: Remover): Promise<'removed' | 'unknown' | 'queued'> {
    if (tagOf(id) === undefined) return 'unknown'
    const local = this.#owner.record(id)
    if (local === undefined) return await orUnavailable(this.#removals.remove(id, by))
    if (by !== 'any' && by.principal !== local.principal) return 'unknown'
    this.#owner.end(id, 'closed')
    this.#keeper.release(id)
    return 'removed'
  }

  async locate (id: string): Promise<Location> {
    return await orUnavailable(this.#locate(id))
  }

  async list (page: { cursor?: string | undefined, limit: number }): Promise<Page> {
    return await orUnavailable(listPage({ link: this.#link, keys: this.#keys, registry: this.#registry }, page))
  }

  async stop (ids: string[], bound: number): Promise<number> {
    const deadline = performance.now() + bound
    this.#stopped = true
    this.#heartbeat?.stop()
    try {
      const left = await this.#keeper.clear(ids, deadline)
      await before(deadline, this.#withdraw().catch(err => this.#complain(err)))
      return left
    } finally {
      this.#link.stop()
    }
  }

  async #locate (id: string): Promise<Location> {
    const { node } = this.#options
    const record = await this.#reader.read(id)
    if (record === undefined) return { status: 'unknown' }
    if (record.node === node.id && record.epoch === node.epoch) {
      return this.#keeper.releasing(id) ? { status: 'unknown' } : { status: 'orphaned', record }
    }
    const owner = await this.#registry.owner(record.node, record.epoch)
    if (owner) return { status: 'misrouted', record, tag: owner.tag, url: owner.url }
    // The owner's heartbeat may have been lost with the rest.
    if (this.#doubt.left > 0) throw unavailable('the connection is new and the session\'s node may not have beaten yet', this.#doubt.left)
    return { status: 'orphaned', record }
  }

  #onBeat ({ gone, closed }: { gone: boolean, closed: string[] }): void {
    this.#complaint = ''
    for (const id of closed) {
      if (this.#owner.has(id)) this.#options.log.debug({ session: shortId(id) }, 'session closed on another node')
      this.#owner.end(id, 'closed')
      this.#keeper.release(id)
    }
    if (!gone) return
    this.#doubt.raise()
    this.#keeper.verifyAll()
  }

  async #flush (): Promise<void> {
    if (this.#flushing || this.#stopped) return
    this.#flushing = true
    try {
      this.#link.refresh()
      await this.#keeper.flush()
      await this.#removals.flush()
    } catch (err) {
      this.#complain(err)
    } finally {
      this.#flushing = false
    }
  }

  /** Sessions of an earlier incarnation may be left in the index; then our id stays, for whoever lists or cleans up. */
  async #withdraw (): Promise<void> {
    if (!await this.#registry.withdraw()) return
    await this.#closeSet.delete()
    const left = await this.#link.run(pageIndex, this.#keys.index(this.#options.node.id), ['', '', '1']) as string[]
    if (left.length === 0) await this.#registry.forget()
  }

  #lost (why: string): void {
    if (this.#away || this.#stopped) return
    this.#away = true
    this.#options.log.warn({ why }, 'the session directory in Redis does not answer; local sessions go on without it')
  }

  #regained ({ doubtful, renewed }: { doubtful: boolean, renewed: boolean }): void {
    if (this.#stopped) return
    if (this.#away) this.#options.log.warn('the session directory in Redis answers again')
    this.#away = false
    // Connected before start: nothing has been lost that we could know of.
    if (!this.#heartbeat) return
    if (doubtful) this.#doubt.raise()
    if (renewed) this.#keeper.verifyAll()
    this.#heartbeat.hurry()
  }

  /** Says once what Redis refuses; that it doesn't answer is said elsewhere. */
  #complain (err: unknown): void {
    if (err instanceof NoAnswer || this.#complaint === String(err)) return
    this.#complaint = String(err)
    this.#options.log.warn({ err }, 'the session directory in Redis refuses commands')
  }
}
