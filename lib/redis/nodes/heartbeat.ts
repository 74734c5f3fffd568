import type { NodeIdentity } from '../../directory/node.ts'
import { checkUrl, takeId, Rival } from './rivals.ts'
import type { CloseSet } from './close-set.ts'
import type { Beat, NodeRegistry } from './node-registry.ts'
import type { NodeState, Report } from './node-state.ts'

interface HeartbeatParts {
  registry: NodeRegistry
  closeSet: CloseSet
  /** Looks after the secret that the nodes share. Never rejects. */
  secret: () => Promise<void>
  node: NodeIdentity
  /** Milliseconds between two beats. */
  interval: number
  /** What the others should know of this node. */
  report: () => Report
  /** Before each beat; what it returns is called when the beat is acknowledged. */
  beating: () => (gone: boolean) => void
  /** After each beat. `gone`: our place had vanished. `closed`: ids that others asked us to end. */
  onBeat: (beat: { gone: boolean, closed: string[] }) => void
  /** Each interval, and whenever `hurry` was called, whether the beat succeeded or not. */
  onTick: () => void
  /** A whole beat went through, or this node has joined. */
  onAccepted: () => void
  /** Another live node has our id or url: the heartbeat has ended. */
  onSuperseded: (by: NodeState, why: Error) => void
  /** A beat failed. */
  onFailed: (err: unknown) => void
}

/** Takes this node's identity and keeps it: one beat at a time. */
export class Heartbeat {
  readonly #parts: HeartbeatParts
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #joined = false
  /** The beats that are under way: one at a time. */
  #turning: Promise<void> | undefined
  #again = false

  constructor (parts: HeartbeatParts) {
    this.#parts = parts
  }

  /**
   * Joins the nodes and begins to beat; when Redis doesn't let it, it goes on trying.
   * @throws NodeDuplicateError
   */
  async start (): Promise<void> {
    this.#timer = setInterval(() => { this.#tick().catch(err => this.#parts.onFailed(err)) }, this.#parts.interval).unref()
    const joining = this.#join().finally(() => { this.#turning = undefined })
    this.#turning = joining.catch(() => {})
    try {
      await joining
    } catch (err) {
      if (!(err instanceof Rival)) return this.#parts.onFailed(err)
      this.stop()
      await this.#parts.registry.withdraw().catch(failure => this.#parts.onFailed(failure))
      throw err.error
    }
  }

  /**
   * Beats, or joins, now: or once more, if it is at it. Resolves when that was
   * answered or has failed; all who come meanwhile share it.
   */
  hurry (): Promise<void> {
    this.#again = true
    return this.#tick()
  }

  /** Redis may have lost what we wrote. */
  startOver (): Promise<void> {
    this.#parts.registry.startOver()
    return this.hurry()
  }

  stop (): void {
    clearInterval(this.#timer)
    this.#stopping.abort()
  }

  async #join (): Promise<void> {
    const { registry, node } = this.#parts
    await takeId(registry, node, over => this.#send(over), this.#stopping.signal)
    // Looking for our url may take longer than our place holds.
    const renew = setInterval(() => { this.#send().catch(err => this.#parts.onFailed(err)) }, this.#parts.interval).unref()
    await checkUrl(registry, node, this.#stopping.signal).finally(() => clearInterval(renew))
    await this.#parts.secret()
    this.#joined = true
  }

  async #beat (): Promise<void> {
    const { registry, closeSet, secret, node, onBeat } = this.#parts
    const [beat, closed] = await Promise.all([this.#send(), closeSet.read(), secret()])
    if (typeof beat === 'object') throw new Rival(beat, new Error(`the node id "${node.id}" was taken by another process`))
    // First end them, then forget that it was asked: a session that is found without a record in between must not be written again.
    onBeat({ gone: beat === 'gone', closed })
    if (closed.length > 0) await closeSet.remove(closed)
    if (beat !== 'gone') return
    // The others may have taken us for dead: the next beat says that we live, and as whom.
    registry.startOver()
    this.#again = true
  }

  #failed (err: unknown): void {
    if (this.#stopping.signal.aborted) return
    if (!(err instanceof Rival)) return this.#parts.onFailed(err)
    this.stop()
    this.#parts.onSuperseded(err.node, err.error)
  }

  async #send (over?: string): Promise<Beat> {
    const acknowledged = this.#parts.beating()
    const beat = await this.#parts.registry.beat(this.#parts.report(), over)
    if (typeof beat === 'string') acknowledged(beat === 'gone')
    return beat
  }

  async #tick (): Promise<void> {
    if (this.#stopping.signal.aborted) return
    if (this.#turning) this.#parts.onTick()
    else this.#turning = this.#turn()
    await this.#turning
  }

  async #turn (): Promise<void> {
    const { signal } = this.#stopping
    do {
      this.#again = false
      await (this.#joined ? this.#beat() : this.#join()).then(() => this.#parts.onAccepted(), err => this.#failed(err))
    } while (this.#again && !signal.aborted)
    this.#turning = undefined
    if (!signal.aborted) this.#parts.onTick()
  }
}
