import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { randomOf } from '../../fixtures/mutations.ts'

const timers: { setTimeout: unknown } = createRequire(import.meta.url)('node:timers/promises')

/** A process of the model: what reaches it waits while it is paused, and is lost when it is dead. */
export interface Process { deliver: (event: () => void) => void }

/** Whose code is running: the waits that it begins are its own. */
export const running = new AsyncLocalStorage<Process>()

/** Time, chance and the events to come of one schedule. */
export class World {
  now = 1_000_000
  /** What went wrong where nobody waits for it. */
  readonly failures: unknown[] = []
  readonly #events: Array<{ at: number, order: number, run: () => void }> = []
  readonly #seed: () => number
  #order = 0

  constructor (seed: number) {
    this.#seed = randomOf(seed)
  }

  /** In [0, 1). */
  random (): number { return this.#seed() }
  chance (probability: number): boolean { return this.random() < probability }
  int (from: number, to: number): number { return from + Math.floor(this.random() * (to - from + 1)) }
  pick<T> (of: readonly T[]): T { return of[this.int(0, of.length - 1)]! }

  /** Runs an event `delay` milliseconds from now, those of one moment in order. */
  after (delay: number, run: () => void): void {
    this.#events.push({ at: this.now + delay, order: this.#order++, run })
  }

  /** Takes on what nobody in the model waits for: if it fails, the schedule has. */
  own (promise: Promise<unknown>): void {
    promise.catch(error => { this.failures.push(error) })
  }

  /** Lets time pass, and everything happen that is due meanwhile. */
  async advance (milliseconds: number): Promise<void> {
    const end = this.now + milliseconds
    await settled()
    for (;;) {
      const next = this.#next(end)
      if (next === undefined) break
      this.now = next.at
      next.run()
      await settled()
    }
    this.now = end
  }

  #next (end: number): { at: number, run: () => void } | undefined {
    let first = -1
    for (let i = 0; i < this.#events.length; i++) {
      const event = this.#events[i]!
      const best = this.#events[first]
      if (event.at <= end && (best === undefined || event.at < best.at || (event.at === best.at && event.order < best.order))) first = i
    }
    return first === -1 ? undefined : this.#events.splice(first, 1)[0]
  }
}

/** Everything that can go on without an event has. */
export async function settled (): Promise<void> {
  // What the product gathers in a turn goes on in the next.
  for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve))
}

/**
 * The product's waits and its monotonic clock are the world's, for this whole
 * process. Returns what puts the real ones back.
 */
export function fakeTime (world: () => World): () => void {
  const { setTimeout } = timers
  const { now } = performance
  timers.setTimeout = (delay: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) => new Promise((resolve, reject) => {
    const owner = running.getStore()
    world().after(delay, () => owner === undefined ? resolve(value) : owner.deliver(() => resolve(value)))
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  performance.now = () => world().now
  syncBuiltinESMExports()
  return () => {
    timers.setTimeout = setTimeout
    performance.now = now
    syncBuiltinESMExports()
  }
}
