import type { NodeIdentity } from '../directory/node.ts'

/** A point in time on both clocks, in milliseconds: a process that was paused may have seen only one of them move. */
export interface Moment { monotonic: number, wall: number }

function now (): Moment {
  return { monotonic: performance.now(), wall: Date.now() }
}

/**
 * For how long this node may serve its sessions without asking: `life`
 * milliseconds from the moment before it sent its last acknowledged beat. Its
 * heartbeat key lives a beat longer, so nobody adopts while the lease runs.
 *
 * When the lease has lapsed the node takes a new epoch with its next beat; a
 * session is ours beyond doubt only when its record names the new one, because
 * an adopter compares with the old.
 */
export class Lease {
  readonly #node: NodeIdentity
  readonly #life: number
  readonly #clock: () => Moment
  #from: Moment | undefined
  #count = 0

  constructor ({ node, life, clock = now }: { node: NodeIdentity, life: number, clock?: () => Moment }) {
    this.#node = node
    this.#life = life
    this.#clock = clock
  }

  /** Whether the lease runs. */
  get running (): boolean {
    if (this.#from === undefined) return false
    const { monotonic, wall } = this.#clock()
    return Math.max(monotonic - this.#from.monotonic, wall - this.#from.wall) < this.#life
  }

  /** Whether a session whose record was last seen with this epoch is ours beyond doubt. */
  holds (epoch: string): boolean {
    return epoch === this.#node.epoch && this.running
  }

  /** A beat is about to be sent. Returns what to call when it is acknowledged; `gone`: our key had vanished. */
  beating (): (gone: boolean) => void {
    const first = this.#from === undefined
    if (!first && !this.running) this.#next()
    const sent = this.#clock()
    const { epoch } = this.#node
    return gone => {
      // A key that vanished is a lapse that no clock saw: others may have taken us for dead.
      if (gone && !first) return this.lapse()
      if (epoch === this.#node.epoch) this.#from = sent
    }
  }

  /** The lease ends at once, whatever the clocks say: nothing is ours beyond doubt until a beat is acknowledged, under the next epoch. */
  lapse (): void {
    this.#from = { monotonic: -Infinity, wall: -Infinity }
  }

  #next (): void {
    this.#node.epoch = `${this.#node.incarnation}.${++this.#count}`
  }
}
