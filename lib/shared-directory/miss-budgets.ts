import { LRUCache } from 'lru-cache'
import { MissBudget } from './miss-budget.ts'

/** Reads that find nothing: so many a second, and at once. */
interface Misses { rate: number, burst: number }

export interface MissLimits {
  /** Of one caller. */
  one: Misses
  /** Of all callers, for ids with the tag of a node that is known to be, or to have been. */
  known: Misses
  /** And for other ids: nearly all of them are made up. */
  others: Misses
}

const LIMITS: MissLimits = { one: { rate: 500, burst: 1000 }, known: { rate: 2000, burst: 4000 }, others: { rate: 500, burst: 1000 } }
/** Callers that are remembered: who is forgotten begins anew, within what all have. */
const CALLERS = 10_000

/** How many reads that find nothing each caller has, and all callers together: whoever makes ids up uses up his own. */
export class MissBudgets {
  readonly #one: Misses
  readonly #known: MissBudget
  readonly #others: MissBudget
  readonly #callers = new LRUCache<string, MissBudget>({ max: CALLERS })

  constructor ({ one, known, others }: MissLimits = LIMITS) {
    this.#one = one
    this.#known = new MissBudget(known.rate, known.burst)
    this.#others = new MissBudget(others.rate, others.burst)
  }

  /** Takes a read for an id whose tag is known, or not; what gives it back if it was no miss, or undefined when there is none. */
  take (by: string, known: boolean): (() => void) | undefined {
    const own = this.#of(by)
    if (!own.take()) return undefined
    const all = known ? this.#known : this.#others
    if (!all.take()) {
      own.giveBack()
      return undefined
    }
    return () => {
      own.giveBack()
      all.giveBack()
    }
  }

  #of (by: string): MissBudget {
    const known = this.#callers.get(by)
    if (known !== undefined) return known
    const own = new MissBudget(this.#one.rate, this.#one.burst)
    this.#callers.set(by, own)
    return own
  }
}
