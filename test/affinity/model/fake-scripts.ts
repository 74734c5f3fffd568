import type { NodeIdentity } from '../../../lib/directory/node.ts'
import type { NewRecord, SessionRecord } from '../../../lib/directory/record.ts'
import type { Holder } from '../../../lib/directory/tag-table.ts'
import type { FakeRedis, NodeKey } from './fake-redis.ts'

/** Faults of the directory, for a model that must notice them. */
export interface DirectoryFaults { blindClaim?: boolean, readOnlyReclaim?: boolean, silentClose?: boolean, deafness?: boolean }

/** What one node's scripts do in Redis, each as a whole. They are what the product's scripts are, in the simplest form. */
export class FakeScripts {
  readonly #redis: FakeRedis
  readonly #node: NodeIdentity
  readonly #faults: DirectoryFaults

  constructor (redis: FakeRedis, node: NodeIdentity, faults: DirectoryFaults) {
    this.#redis = redis
    this.#node = node
    this.#faults = faults
  }

  /** Whether a record names this process. */
  ours ({ node, epoch }: SessionRecord): boolean {
    return node === this.#node.id && epoch.startsWith(`${this.#node.incarnation}.`)
  }

  /** The epoch of another process that has our id, or whether our key had vanished, and what is to be closed. */
  beat (key: Omit<NodeKey, 'expires'>, life: number, claimed: boolean): { superseded: string } | { gone: boolean, closed: string[] } {
    const { nodes, closing, now } = this.#redis
    const alive = this.#redis.alive(key.id)
    const theirs = alive !== undefined && alive.incarnation !== key.incarnation
    // A start takes the key of a dead process: the product watches it for a while first.
    if (theirs && claimed) return { superseded: alive.epoch }
    nodes.set(key.id, { ...key, expires: now + life })
    return { gone: alive === undefined || theirs, closed: [...closing.get(key.id) ?? []] }
  }

  closed (ids: string[]): void {
    for (const id of ids) this.#redis.closing.get(this.#node.id)?.delete(id)
  }

  withdraw (): void {
    const { nodes } = this.#redis
    if (nodes.get(this.#node.id)?.incarnation === this.#node.incarnation) nodes.delete(this.#node.id)
  }

  read (id: string): SessionRecord | undefined {
    const record = this.#redis.records.get(id)
    return record && { ...record }
  }

  add (record: NewRecord, epoch: string): 'written' | 'taken' {
    const { records, now } = this.#redis
    const old = records.get(record.id)
    if (old !== undefined && (!this.ours(old) || old.released === true)) return 'taken'
    const { id: node, url } = this.#node
    records.set(record.id, { ...record, node, epoch: newer(old?.epoch, epoch), url, lastSeenAt: now, adoptionFailures: old?.adoptionFailures ?? 0 })
    return 'written'
  }

  renew (id: string, changes: NewRecord | undefined, epoch: string): 'kept' | 'taken' | 'absent' | 'closed' {
    const { records, closing, now } = this.#redis
    const old = records.get(id)
    if (old === undefined) return closing.get(this.#node.id)?.has(id) === true ? 'closed' : 'absent'
    if (this.#faults.readOnlyReclaim === true) return 'kept'
    if (!this.ours(old) || old.released === true) return 'taken'
    records.set(id, { ...old, ...changes, epoch: newer(old.epoch, epoch), lastSeenAt: now, adoptionFailures: 0 })
    return 'kept'
  }

  claim (seen: SessionRecord, epoch: string): boolean {
    const { records, now } = this.#redis
    const old = records.get(seen.id)
    if (old === undefined) return false
    const again = this.ours(old) && old.released !== true
    const asSeen = old.node === seen.node && old.epoch === seen.epoch && (old.released === true || seen.released !== true)
    if (!again && !asSeen && this.#faults.blindClaim !== true) return false
    const { id: node, url } = this.#node
    const robbed = old.node !== node && old.released !== true
    const formerly = robbed ? [old.node, ...(old.formerly ?? []).filter(id => id !== old.node && id !== node)] : old.formerly
    records.set(seen.id, { ...old, formerly, node, epoch: again ? newer(old.epoch, epoch) : epoch, url, released: undefined, lastSeenAt: now })
    return true
  }

  unclaim ({ id, node, epoch, url, released, formerly, lastSeenAt }: SessionRecord): void {
    const { records } = this.#redis
    const old = records.get(id)
    if (old === undefined || !this.ours(old) || old.released === true) return
    records.set(id, { ...old, node, epoch, url, released, formerly, lastSeenAt, adoptionFailures: old.adoptionFailures + 1 })
  }

  giveUp (id: string): void {
    const { records } = this.#redis
    const old = records.get(id)
    if (old !== undefined && this.ours(old)) records.set(id, { ...old, released: true, adoptionFailures: 0 })
  }

  /** `others`: they have it, or may have. */
  drop (id: string, asked: boolean): 'dropped' | 'others' {
    const { records } = this.#redis
    const old = records.get(id)
    if (old !== undefined && (!this.ours(old) || old.released === true || (asked && old.formerly !== undefined))) return 'others'
    records.delete(id)
    return 'dropped'
  }

  /** Puts it into the close sets of its owner, and of those that may have it still. */
  tell ({ id, node, formerly = [] }: SessionRecord): void {
    const { closing } = this.#redis
    if (this.#faults.silentClose === true) return
    for (const owner of [node, ...formerly]) closing.set(owner, (closing.get(owner) ?? new Set()).add(id))
  }

  /** False: it has another owner than the one that was told. */
  remove ({ id, node, epoch }: SessionRecord): boolean {
    const { records } = this.#redis
    const old = records.get(id)
    if (old !== undefined && (old.node !== node || old.epoch !== epoch)) return false
    records.delete(id)
    return true
  }

  moveTag (tag: string, seen: Holder | undefined, to: Holder | undefined): boolean {
    const { holders } = this.#redis
    const now = JSON.stringify(holders.get(tag))
    if (now !== JSON.stringify(seen) && now !== JSON.stringify(to)) return false
    if (to === undefined) holders.delete(tag)
    else holders.set(tag, to)
    return true
  }
}

/** An epoch that was written never gives way to an older one of the same incarnation. */
function newer (old: string | undefined, epoch: string): string {
  return old !== undefined && count(old) > count(epoch) ? old : epoch
}

function count (epoch: string): number {
  return Number(epoch.slice(epoch.lastIndexOf('.') + 1))
}
