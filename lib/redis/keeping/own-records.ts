import { ADOPTION_PAUSES } from '../../directory/adoption-pauses.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { NewRecord, SessionRecord } from '../../directory/record.ts'
import { Gather } from '../../bounds/gather.ts'
import type { Keys } from '../keys.ts'
import type { Call, Link } from '../link/link.ts'
import { changeable, formerOwnerFields, ownerFields, toHash } from '../record-hash.ts'
import { addRecord, claimRecord, dropRecord, releaseRecord, renewRecord, touchIndex, trimIndex, unclaimRecord } from '../scripts/record-scripts.ts'

/** The index outlives its node, for listing and for whoever cleans up: 30 days. */
export const INDEX_LIFE = String(30 * 24 * 3600 * 1000)

interface OwnRecordsParts {
  link: Link
  keys: Keys
  node: NodeIdentity
  /** Life of a record, in milliseconds. */
  ttl: number
  /** Redis refused a command, or did not answer it. */
  onFailed: (err: unknown) => void
}

interface Write {
  /** `taken`: another owner's record has this id, or it is released. */
  outcome: Promise<'written' | 'taken' | 'failed'>
  /** The epoch that is written. */
  epoch: string
  /** Resolves when the client has an answer or has given up, however late. */
  settled: Promise<unknown>
}

/** A record of ours to write to; `changes`: its session, when the fields that change are to be written too. */
export interface Update { id: string, changes?: NewRecord | undefined }

/** What renewing found, by id, and the epoch that was written. An id may be both kept and failed: its record was renewed, and its place in the index was not. */
interface Renewed { epoch: string, kept: string[], taken: string[], absent: string[], failed: string[] }

/** The renewal of some records. */
export interface Renewal {
  outcome: Promise<Renewed>
  /** Resolves when the Redis client has an answer for the records and the index, or tries no longer, however late. */
  settled: Promise<unknown>
}

/** Whether our index has a session, and when the Redis client is done with that, however late. */
interface Indexed { indexed: boolean, settled: Promise<unknown> }

/** A session that has ended; `asked`: because somebody asked for it. */
interface Ended { id: string, asked: boolean }

/** What deleting found, by id: all that are dealt with, and those among them that others have, or may have. */
interface Dropped { done: string[], others: string[] }

/** What giving up found, by id. */
export interface Released { released: string[], absent: string[], failed: string[] }

/** The commands on the records of this node and incarnation, each with its share of the index. None throws, but claim. */
export class OwnRecords {
  readonly #parts: OwnRecordsParts
  /** Whether our index has them. */
  readonly #indexing: Gather<Indexed>

  constructor (parts: OwnRecordsParts) {
    this.#parts = parts
    this.#indexing = new Gather(async ids => {
      const { numbers, settled } = this.#issue([this.#indexed(ids)])
      const [indexed] = await numbers
      return () => ({ indexed: indexed !== undefined, settled })
    })
  }

  /** Writes a record unless another owner has one. */
  write (record: NewRecord, bound?: number): Write {
    const { link, keys, node: { epoch }, ttl } = this.#parts
    const args = [...this.#ours(), epoch, String(ttl), ...this.#owner(), ...toHash(record)]
    const written = link.issue({ script: addRecord, key: keys.session(record.id), args }, bound)
    const indexed = link.issue(this.#indexed([record.id]), bound)
    const outcome = async () => {
      const [owner, index] = this.#numbers(await Promise.allSettled([written.answer, indexed.answer]))
      if (owner === 0) return 'taken'
      return owner === undefined || index === undefined ? 'failed' : 'written'
    }
    return { outcome: outcome(), epoch, settled: Promise.all([written.settled, indexed.settled]) }
  }

  /** Renews records that are still ours, then their places in the index. */
  renew (updates: Update[]): Renewal {
    const { keys, node: { epoch }, ttl } = this.#parts
    const args = [...this.#ours(), epoch, String(ttl), ...this.#owner()]
    const records = this.#issue(updates.map(({ id, changes }) =>
      ({ script: renewRecord, key: keys.session(id), args: changes ? [...args, ...changeable(changes)] : args })))
    let index: Promise<unknown> | undefined
    const outcome = async (): Promise<Renewed> => {
      const outcomes = await records.numbers
      const those = (outcome: number | undefined) => updates.flatMap(({ id }, i) => outcomes[i] === outcome ? [id] : [])
      const renewed = { epoch, kept: those(1), taken: those(0), absent: those(-1), failed: those(undefined) }
      if (renewed.kept.length === 0) return renewed
      const indexed = this.#issue([this.#indexed(renewed.kept)])
      index = indexed.settled
      const [done] = await indexed.numbers
      return done === undefined ? { ...renewed, failed: [...renewed.failed, ...renewed.kept] } : renewed
    }
    const renewed = outcome()
    return { outcome: renewed, settled: renewed.then(() => Promise.all([records.settled, index])) }
  }

  /** Deletes records that are still ours. */
  async drop (ended: Ended[], bound?: number): Promise<Dropped> {
    const { keys } = this.#parts
    const calls: Call[] = ended.map(({ id, asked }) => ({ script: dropRecord, key: keys.session(id), args: [...this.#ours(), asked ? '1' : ''] }))
    const ids = ended.map(({ id }) => id)
    const outcomes = await this.#all([...calls, this.#trimmed(ids)], bound)
    // Their places in the index are forgotten with the records, or asked for again.
    const unlisted = outcomes.at(-1) !== undefined
    return { done: ids.filter((_, i) => unlisted && outcomes[i] !== undefined), others: ids.filter((_, i) => outcomes[i] === 0) }
  }

  /** Takes sessions that are others' by now out of our index: whether that was done. */
  async unlist (ids: string[]): Promise<boolean> {
    const [left] = await this.#all([this.#trimmed(ids)])
    return left !== undefined
  }

  /** Marks records that are still ours as released. One that another owner has counts as released. */
  async giveUp (updates: Update[], bound?: number): Promise<Released> {
    const { keys } = this.#parts
    const outcomes = await this.#all(updates.map(({ id, changes }) =>
      ({ script: releaseRecord, key: keys.session(id), args: [...this.#ours(), ...changes ? changeable(changes) : []] })), bound)
    const those = (which: (outcome: number | undefined) => boolean) => updates.flatMap(({ id }, i) => which(outcomes[i]) ? [id] : [])
    return {
      released: those(outcome => outcome === 0 || outcome === 1),
      absent: those(outcome => outcome === -1),
      failed: those(outcome => outcome === undefined)
    }
  }

  /**
   * Takes an orphan's record over; returns the epoch that it is ours with, or
   * undefined when the record is not as it was seen.
   * @throws NoAnswer, or the error that Redis answered.
   */
  async claim ({ id, node, epoch, released }: SessionRecord): Promise<string | undefined> {
    const { link, keys, node: own, ttl } = this.#parts
    const written = own.epoch
    const args = [...this.#ours(), written, String(ttl), node, epoch, released === true ? '1' : '', ...this.#owner()]
    return Number(await link.run(claimRecord, keys.session(id), args)) === 1 ? written : undefined
  }

  /** Puts a session into our index: whether it is there. Those of one turn go together. */
  index (id: string): Promise<Indexed> {
    return this.#indexing.ask(id)
  }

  /** Gives a claimed record back to the owner that it had. */
  async unclaim (record: SessionRecord): Promise<void> {
    const { keys, node: own } = this.#parts
    const { id, node, epoch, released, formerly, lastSeenAt } = record
    const args = [...this.#ours(), ADOPTION_PAUSES.join(), 'node', node, 'epoch', epoch, ...formerOwnerFields(record), 'released', released === true ? '1' : '', 'formerly', formerly?.join(',') ?? '', 'lastSeenAt', String(lastSeenAt)]
    const calls: Call[] = [{ script: unclaimRecord, key: keys.session(id), args }]
    // Given up by this very node: it stays in our index.
    if (node !== own.id) calls.push(this.#trimmed([id]))
    await this.#all(calls)
  }

  /** How a script tells what is ours: our node and the beginning of our epochs. */
  #ours (): [string, string] {
    const { id, incarnation } = this.#parts.node
    return [id, `${incarnation}.`]
  }

  /** What a record says of its owner: us. */
  #owner (): string[] {
    return ownerFields(this.#parts.node)
  }

  #indexed (ids: string[]): Call {
    const { keys, node } = this.#parts
    return { script: touchIndex, key: keys.index(node.id), args: [INDEX_LIFE, ...ids] }
  }

  #trimmed (ids: string[]): Call {
    const { keys, node } = this.#parts
    return { script: trimIndex, key: keys.index(node.id), args: ids }
  }

  async #all (calls: Call[], bound?: number): Promise<Array<number | undefined>> {
    return this.#numbers(await this.#parts.link.all(calls, bound))
  }

  #issue (calls: Call[]): { numbers: Promise<Array<number | undefined>>, settled: Promise<unknown> } {
    const issued = calls.map(call => this.#parts.link.issue(call))
    return {
      numbers: Promise.allSettled(issued.map(({ answer }) => answer)).then(outcomes => this.#numbers(outcomes)),
      settled: Promise.all(issued.map(({ settled }) => settled))
    }
  }

  /** What each script returned, undefined where it failed. */
  #numbers (outcomes: Array<PromiseSettledResult<unknown>>): Array<number | undefined> {
    return outcomes.map(outcome => {
      if (outcome.status === 'fulfilled') return Number(outcome.value)
      this.#parts.onFailed(outcome.reason)
      return undefined
    })
  }
}
