import type { SessionRecord } from '../../directory/record.ts'
import type { Doubt } from '../../shared-directory/doubt.ts'
import type { NodeRegistry } from './node-registry.ts'
import type { NodeState } from './node-state.ts'

/** Looks at a node's place in a beat, and how close together at least, in milliseconds. */
const LOOKS = 4
const CLOSEST = 25

interface Waiter {
  epoch: string
  /** The first value that was seen since the call. */
  first?: string
  done: () => void
}

interface OwnerBeatsParts {
  registry: Pick<NodeRegistry, 'read'>
  doubt: Pick<Doubt, 'left'>
  /** Milliseconds between two beats. */
  heartbeat: number
  /** A look failed; the next may not. */
  onFailed: (err: unknown) => void
}

/** Waits for owners to beat or to be known as gone; all who wait for one node share its reads. */
export class OwnerBeats {
  readonly #parts: OwnerBeatsParts
  readonly #waiting = new Map<string, Set<Waiter>>()

  constructor (parts: OwnerBeatsParts) {
    this.#parts = parts
  }

  /** Resolves once the owner has beaten since, or is gone, or after `bound` milliseconds. */
  wait ({ node, epoch }: Pick<SessionRecord, 'node' | 'epoch'>, bound: number): Promise<void> {
    return new Promise(resolve => {
      const waiters = this.#waiting.get(node) ?? new Set()
      const waiter: Waiter = {
        epoch,
        done: () => {
          clearTimeout(timer)
          waiters.delete(waiter)
          resolve()
        }
      }
      const timer = setTimeout(waiter.done, bound).unref()
      waiters.add(waiter)
      if (this.#waiting.has(node)) return
      this.#waiting.set(node, waiters)
      this.#look(node, waiters).catch(this.#parts.onFailed)
    })
  }

  /** Lets everybody go. */
  stop (): void {
    for (const waiters of this.#waiting.values()) for (const { done } of waiters) done()
  }

  async #look (id: string, waiters: Set<Waiter>): Promise<void> {
    const { registry, heartbeat, onFailed } = this.#parts
    // Those who come while it is being read have not seen it since their call.
    const asking = [...waiters]
    try {
      const node = await registry.read(id)
      for (const waiter of asking) if (this.#settled(waiter, node)) waiter.done()
    } catch (err) {
      onFailed(err)
    }
    if (waiters.size === 0) this.#waiting.delete(id)
    else setTimeout(() => { this.#look(id, waiters).catch(onFailed) }, Math.max(CLOSEST, heartbeat / LOOKS)).unref()
  }

  #settled (waiter: Waiter, node: NodeState | undefined): boolean {
    // Its heartbeat may have been lost with the rest.
    if (node === undefined) return this.#parts.doubt.left === 0
    waiter.first ??= node.raw
    return node.epoch !== waiter.epoch || node.raw !== waiter.first
  }
}
