import { FORMAT } from '../../format.ts'
import type { Trails } from '../../directory/trails.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { Log } from '../link/availability.ts'
import { NoAnswer } from '../link/bounded.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import { deleteKey } from '../scripts/node-scripts.ts'
import { pageIdle, sweepRecord, takeSweep, trimIdle } from '../scripts/sweep-scripts.ts'
import { isOfAnotherType } from '../link/unreadable.ts'

/** Index entries that a turn looks at. */
const WORK = 500

/** The nodes that have, or had, sessions, and which of them live. */
interface SweptNodes { ids: string[], live: ReadonlyMap<string, { epoch: string }> }

export interface SweeperOptions {
  link: Link
  keys: Keys
  node: Pick<NodeIdentity, 'id' | 'epoch'>
  log: Log
  /** For how long nobody has asked for a session that is swept, in milliseconds; Infinity: none is. */
  readonly after: number
  /** Milliseconds between two rounds. */
  interval: number
  /** Asked in each turn of the node that sweeps. */
  nodes: () => Promise<SweptNodes>
  /** Forgets a node of which nothing is left, unless it lives. */
  forget: (id: string) => Promise<void>
  /** Hears of the sessions that are swept. */
  trails?: Pick<Trails, 'note'>
  /** A round is over. */
  swept?: () => Promise<void>
  /** While there is some, that a node's key is absent is no evidence. */
  doubt: { readonly left: number }
  /** Index entries that a turn looks at; a node counts as one. Default 500. */
  work?: number
}

/** A node of the round, and how many of its idle entries stay where they are. */
interface Visit { node: string, stay: number }

/**
 * Removes what dead nodes have left and nobody asks for: their records, index
 * entries, close sets, and at last their ids. One node sweeps at a time; two,
 * should it come to that, do no harm, because every step is conditional.
 */
export class Sweeper {
  readonly #options: SweeperOptions
  #due: number
  #busy = false
  #live: SweptNodes['live'] = new Map()
  /** What is left of the round. */
  #visits: Visit[] = []

  constructor (options: SweeperOptions) {
    this.#options = options
    this.#due = performance.now() + options.interval
  }

  /**
   * Does a bounded part of a round, if one is due and this node is the one that
   * sweeps. To be called often, on every tick say. Never rejects. `swept`: records that are gone.
   */
  async turn (): Promise<{ swept: number }> {
    const { log, doubt, node } = this.#options
    if (this.#options.after === Infinity || this.#busy || doubt.left > 0 || performance.now() < this.#due) return { swept: 0 }
    this.#busy = true
    const count = { swept: 0 }
    try {
      if (await this.#ours()) {
        await this.#look()
        await this.#work(count)
        if (this.#visits.length === 0) await this.#options.swept?.()
      } else this.#visits = []
    } catch (err) {
      // The rest is for the next round.
      this.#visits = []
      // Not the error itself: the command is on it, and a session's id is in the command.
      if (!(err instanceof NoAnswer)) log.warn({ why: String(err).slice(0, 100) }, 'sweeping failed')
    } finally {
      this.#busy = false
    }
    if (this.#visits.length === 0) this.#due = performance.now() + this.#options.interval
    if (count.swept > 0) log.info({ swept: count.swept, node: node.id }, 'records of sessions whose nodes are gone were removed')
    return count
  }

  /** Held from round to round; who stops renewing loses it. */
  async #ours (): Promise<boolean> {
    const { link, keys, node, interval } = this.#options
    return Number(await link.run(takeSweep, keys.sweeper, [node.id, String(Math.max(1000, 2 * interval))])) === 1
  }

  /** Looks at who lives, and begins a round unless one is under way. */
  async #look (): Promise<void> {
    const { ids, live } = await this.#options.nodes()
    this.#live = live
    if (this.#visits.length === 0) this.#visits = ids.map(node => ({ node, stay: 0 }))
  }

  async #work (count: { swept: number }): Promise<void> {
    for (let left = this.#options.work ?? WORK; left > 0 && this.#visits.length > 0 && this.#options.doubt.left === 0;) {
      const visit = this.#visits[0]!
      const { looked, swept, size } = await this.#page(visit, left)
      count.swept += swept
      if (looked < left) {
        this.#visits.shift()
        if (size === 0) await this.#retire(visit.node)
      }
      left -= looked + 1
    }
  }

  /** One page of a node's idle entries. `size`: of the index, afterwards. */
  async #page (visit: Visit, limit: number): Promise<{ looked: number, swept: number, size: number }> {
    const { link, keys, after } = this.#options
    const index = keys.index(visit.node)
    const [size, ...ids] = await link.run(pageIdle, index, [String(after), String(visit.stay), String(limit)]).catch(err => {
      // Whoever lists says so. The other nodes' are to be swept all the same.
      if (isOfAnotherType(err)) return [0]
      throw err
    }) as [number, ...string[]]
    if (ids.length === 0) return { looked: 0, swept: 0, size: Number(size) }
    const args = [visit.node, this.#incarnation(visit.node), String(after), String(FORMAT)]
    const outcomes = await link.all(ids.map(id => ({ script: sweepRecord, key: keys.session(id), args })))
    const done = (wanted: number) => ids.filter((_, i) => outcomeOf(outcomes[i]!) === wanted)
    const [swept, stale] = [done(1), done(-1)]
    for (const id of swept) this.#options.trails?.note(id, { what: 'ended', at: Date.now(), node: visit.node, reason: 'node_lost' })
    const gone = [...swept, ...stale]
    visit.stay += ids.length - gone.length
    const left = gone.length === 0 ? size : await link.run(trimIdle, index, [String(after), ...gone])
    return { looked: ids.length, swept: swept.length, size: Number(left) }
  }

  /** What the epochs of a node's live incarnation begin with; '' when it is dead. */
  #incarnation (id: string): string {
    const { node } = this.#options
    const epoch = id === node.id ? node.epoch : this.#live.get(id)?.epoch ?? ''
    return epoch.slice(0, epoch.lastIndexOf('.') + 1) || epoch
  }

  /** Forgets a dead node that has nothing left. */
  async #retire (id: string): Promise<void> {
    const { link, keys, node, doubt, forget } = this.#options
    if (id === node.id || this.#live.has(id) || doubt.left > 0) return
    await link.run(deleteKey, keys.close(id))
    await forget(id)
  }
}

/** What a script returned; undefined where Redis refused it or did not answer. */
function outcomeOf (outcome: PromiseSettledResult<unknown>): number | undefined {
  return outcome.status === 'fulfilled' ? Number(outcome.value) : undefined
}
