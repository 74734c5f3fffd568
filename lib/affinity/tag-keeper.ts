import type { FastifyBaseLogger } from 'fastify'
import { beatsToAll } from '../beats.ts'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeIdentity } from '../directory/node.ts'
import { isOf } from '../directory/tag-table.ts'
import type { Holder, Peer } from '../directory/tag-table.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { orNothing } from './heirs.ts'

export interface TagKeeperParts {
  node: NodeIdentity
  directory: Pick<SessionDirectory, 'tags' | 'peers'>
  sessions: Pick<Sessions, 'tagged' | 'state'>
  /** Milliseconds between two beats. */
  heartbeat: number
  /** For how long a tag stays of which there is no session here, in milliseconds. */
  idleTimeout: number
  log: Pick<FastifyBaseLogger, 'error'>
}

/**
 * Keeps this node's entries in the table of tags right: it holds those of its
 * own url that no other live node holds, takes one back of which it has more
 * sessions than the holder, puts back what was lost, and lets go of others' of
 * which it has had none for long. New sessions get tags that it holds.
 */
export class TagKeeper {
  readonly #parts: TagKeeperParts
  #timer: NodeJS.Timeout | undefined
  #turning: Promise<void> | undefined
  #left = 0
  /** With which it was looked at last: after a lapse of the lease others may have taken this node for dead. */
  #epoch = ''
  /** Tags that this node held when it looked last. */
  #held = new Set<string>()
  /** When there was last a session of a tag that is held here (performance.now()). */
  readonly #had = new Map<string, number>()

  constructor (parts: TagKeeperParts) {
    this.#parts = parts
  }

  /** Looks now, and then now and then. Never rejects. */
  async start (): Promise<void> {
    this.#timer = setInterval(() => this.#tick(), this.#parts.heartbeat).unref()
    await this.turn()
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  /** Puts right what is not. Never rejects; what cannot be done now is tried again with the next beat. */
  turn (): Promise<void> {
    this.#turning ??= this.#turn().finally(() => { this.#turning = undefined })
    return this.#turning
  }

  #tick (): void {
    const { node, sessions } = this.#parts
    if (sessions.state !== 'open' || (--this.#left > 0 && node.epoch === this.#epoch)) return
    this.turn().catch(err => this.#parts.log.error({ err }, 'the table of tags could not be looked at'))
  }

  async #turn (): Promise<void> {
    const { node, directory, sessions } = this.#parts
    const { epoch } = node
    const looked = await orNothing(Promise.all([directory.peers(), directory.tags.read()]))
    // Its beat may not be acknowledged yet.
    if (looked === undefined || !looked[0].some(({ id }) => id === node.id) || sessions.state !== 'open') return
    const [peers, table] = looked
    const live = new Map(peers.map(peer => [peer.id, peer]))
    await Promise.all([
      // Those of its sessions too: it may have been named an heir, and others after it, since it looked last.
      ...Array.from(new Set([...node.tags, ...this.#held, ...Object.keys(sessions.tagged)]), tag => orNothing(this.#take(tag, table.get(tag), live))),
      ...Array.from(table, async ([tag, entry]) => isOf(entry, node) ? orNothing(this.#lower(tag, entry)) : undefined)
    ])
    const after = await orNothing(directory.tags.read())
    if (after === undefined) return
    this.#held = new Set([...after].flatMap(([tag, entry]) => isOf(entry, node) ? [tag] : []))
    for (const tag of this.#had.keys()) if (!this.#held.has(tag)) this.#had.delete(tag)
    const own = node.tags.filter(tag => this.#held.has(tag))
    // Half of them: the next process of this url wants some that no other node holds, while these sessions are elsewhere.
    node.minting = own.length === 0 ? [node.tag] : own.slice(0, Math.ceil(own.length / 2))
    this.#left = beatsToAll()
    this.#epoch = epoch
  }

  /** Takes a tag, if nobody holds it, or the holder has fewer of its sessions. */
  async #take (tag: string, entry: Holder | undefined, live: ReadonlyMap<string, Peer>): Promise<void> {
    const { node, directory, sessions } = this.#parts
    const { id, incarnation } = node
    if (entry !== undefined && isOf(entry, node)) return
    const here = sessions.tagged[tag] ?? 0
    const holder = entry && live.get(entry.node)
    const holds = holder !== undefined && isOf(entry!, holder)
    // What a holder has been promised is on its way to it; of what this node has held itself it is none.
    const expected = node.tags.includes(tag) || this.#held.has(tag) ? 0 : entry?.promised ?? 0
    if (holds && Math.max(expected, holder.tagged[tag] ?? 0) >= here) return
    if (!holds && here === 0 && !node.tags.includes(tag)) return
    await directory.tags.move(tag, entry, { node: id, incarnation, promised: holds ? here : Math.max(here, entry?.promised ?? 0) })
  }

  /** Expects fewer of the sessions that were promised and do not come, and lets go of another url's tag of which there has been none for long. */
  async #lower (tag: string, entry: Holder): Promise<void> {
    const { node, directory, sessions, idleTimeout } = this.#parts
    const here = sessions.tagged[tag] ?? 0
    const now = performance.now()
    if (here > 0 || !this.#had.has(tag)) this.#had.set(tag, now)
    const idle = !node.tags.includes(tag) && now - this.#had.get(tag)! >= idleTimeout
    const promised = entry.promised > here ? here + Math.floor((entry.promised - here) / 2) : entry.promised
    if (idle) this.#had.delete(tag)
    if (idle || promised !== entry.promised) await directory.tags.move(tag, entry, idle ? undefined : { ...entry, promised })
  }
}
