import { inOrder, STEPS } from '../../directory/trails.ts'
import type { Step, Trail, Trails } from '../../directory/trails.ts'
import { sessionName } from '../../session-id.ts'
import { json } from '../json.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import { orUnavailable } from '../link/unavailable.ts'
import { noteStep, readTrail } from '../scripts/trail-scripts.ts'

/** The trail of a session that has not ended, in milliseconds since its last step: 30 days. */
const LIFE = 30 * 24 * 3600 * 1000
/** Steps that wait for Redis at most; then the oldest are forgotten. */
const WAITING = 10_000
const BATCH = 500

interface TrailsParts {
  link: Pick<Link, 'ready' | 'all' | 'run'>
  keys: Pick<Keys, 'trail'>
  /** For how long a session's trail stays after its end, in milliseconds. */
  keepEnded: number
  /** Redis refused a command, or did not answer it: for the log alone, since nothing hangs on it. */
  onFailed: (err: unknown) => void
}

interface Noted { id: string, step: Step }

/** Trails in Redis: one hash a session, one command a step. */
export class RedisTrails implements Trails {
  readonly #parts: TrailsParts
  #waiting: Noted[] = []
  #soon: NodeJS.Immediate | undefined
  #flushing = false

  constructor (parts: TrailsParts) {
    this.#parts = parts
  }

  note (id: string, step: Step): void {
    this.#waiting.push({ id, step })
    if (this.#waiting.length > WAITING) this.#waiting.shift()
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined
      this.flush().catch(this.#parts.onFailed)
    })
  }

  /** Writes what waits. What fails stays. */
  async flush (): Promise<void> {
    if (this.#flushing) return
    this.#flushing = true
    try {
      while (this.#waiting.length > 0 && this.#parts.link.ready) {
        const batch = this.#waiting.splice(0, BATCH)
        const failed = await this.#write(batch)
        this.#waiting.unshift(...failed)
        if (failed.length > 0) break
      }
    } finally {
      this.#flushing = false
    }
  }

  async read (name: string): Promise<Trail> {
    const { link, keys } = this.#parts
    const entries = await orUnavailable(link.run(readTrail, keys.trail(name))) as string[]
    const trail: Trail = { steps: [] }
    for (let i = 1; i < entries.length; i += 2) {
      const { id, ...step } = Object(json(entries[i]!)) as Step & { id?: string }
      if (typeof step.what !== 'string' || typeof step.at !== 'number' || typeof step.node !== 'string') continue
      if (typeof id === 'string') trail.id = id
      trail.steps.push(step)
    }
    return inOrder(trail)
  }

  /** Returns what could not be written. */
  async #write (batch: Noted[]): Promise<Noted[]> {
    const { link, keys, keepEnded, onFailed } = this.#parts
    const outcomes = await link.all(batch.map(({ id, step }) => {
      const over = step.what === 'ended'
      const field = `${String(step.at).padStart(14, '0')} ${step.what} ${step.node}`
      const entry = JSON.stringify(over ? step : { ...step, id })
      return { script: noteStep, key: keys.trail(sessionName(id)), args: [field, entry, String(over ? keepEnded : LIFE), String(STEPS)] }
    }))
    return batch.filter((_, i) => {
      const outcome = outcomes[i]!
      if (outcome.status === 'rejected') onFailed(outcome.reason)
      return outcome.status === 'rejected'
    })
  }
}
