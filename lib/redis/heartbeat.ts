import type { NodeIdentity } from '../sessions/directory.ts'
import { checkUrl, claimId, Rival } from './claim.ts'
import type { CloseSet } from './close-set.ts'
import type { NodeRegistry, NodeState, Report } from './node-registry.ts'

export interface HeartbeatParts {
  registry: NodeRegistry
  closeSet: CloseSet
  node: NodeIdentity
  /** Milliseconds between two beats. */
  interval: number
  /** What the others should know of this node. */
  report: () => Report
  /** After each beat. `gone`: our key had vanished. `closed`: ids that others asked us to end. */
  onBeat: (beat: { gone: boolean, closed: string[] }) => void
  /** Each interval, and whenever `hurry` was called, whether the beat succeeded or not. */
  onTick: () => void
  /** Another live node has our id or url: the heartbeat has ended. */
  onSuperseded: (by: NodeState, why: Error) => void
  /** A beat failed. */
  onFailed: (err: unknown) => void
}

/** Claims this node's identity and keeps it: one beat at a time. */
export class Heartbeat {
  readonly #parts: HeartbeatParts
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #claimed = false
  /** Our id is where the others find it. */
  #enlisted = false
  #busy = false
  #again = false

  constructor (parts: HeartbeatParts) {
    this.#parts = parts
  }

  /**
   * Claims and begins to beat; when Redis doesn't let it, it goes on trying.
   * @throws NodeDuplicateError
   */
  async start (): Promise<void> {
    this.#timer = setInterval(() => { this.#turn() }, this.#parts.interval).unref()
    this.#busy = true
    try {
      await this.#claim()
    } catch (err) {
      if (!(err instanceof Rival)) return this.#parts.onFailed(err)
      this.stop()
      await this.#parts.registry.withdraw().catch(failure => this.#parts.onFailed(failure))
      throw err.error
    } finally {
      this.#busy = false
    }
  }

  /** Beats, or claims, now: or once more, if it is at it. */
  async hurry (): Promise<void> {
    this.#again = true
    await this.#turn()
  }

  /** Redis may have lost what we wrote. */
  startOver (): Promise<void> {
    this.#enlisted = false
    return this.hurry()
  }

  stop (): void {
    clearInterval(this.#timer)
    this.#stopping.abort()
  }

  async #claim (): Promise<void> {
    const { registry, node, report } = this.#parts
    await claimId(registry, node, report(), this.#stopping.signal)
    // Looking for our url may take longer than our key lives.
    const renew = setInterval(() => { registry.beat(report()).catch(err => this.#parts.onFailed(err)) }, this.#parts.interval).unref()
    await checkUrl(registry, node, this.#stopping.signal).finally(() => clearInterval(renew))
    await registry.enlist()
    this.#enlisted = this.#claimed = true
  }

  async #beat (): Promise<void> {
    const { registry, closeSet, node, report, onBeat } = this.#parts
    const [beat, closed] = await Promise.all([registry.beat(report()), closeSet.read()])
    if (typeof beat === 'object') throw new Rival(beat, new Error(`the node id "${node.id}" was claimed by another process`))
    // First end them, then forget that it was asked: a session that is found without a record in between must not be written again.
    onBeat({ gone: beat === 'gone', closed })
    if (closed.length > 0) await closeSet.remove(closed)
    if (beat === 'gone') this.#enlisted = false
    if (!this.#enlisted) await registry.enlist()
    this.#enlisted = true
  }

  #failed (err: unknown): void {
    if (this.#stopping.signal.aborted) return
    if (!(err instanceof Rival)) return this.#parts.onFailed(err)
    this.stop()
    this.#parts.onSuperseded(err.node, err.error)
  }

  async #turn (): Promise<void> {
    const { signal } = this.#stopping
    if (!this.#busy && !signal.aborted) {
      this.#busy = true
      do {
        this.#again = false
        await (this.#claimed ? this.#beat() : this.#claim()).catch(err => this.#failed(err))
      } while (this.#again && !signal.aborted)
      this.#busy = false
    }
    if (!signal.aborted) this.#parts.onTick()
  }
}
