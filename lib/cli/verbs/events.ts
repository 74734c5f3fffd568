import { DirectoryUnavailableError } from '../../errors.ts'
import { durationOf } from '../arguments.ts'
import { safe } from '../table.ts'
import { CALL_KINDS } from '../../redis/observer.ts'
import type { LiveMessage } from '../../redis/observer.ts'
import type { Scene, Verb } from '../verb.ts'

/** Nodes are asked again and again, in milliseconds; each then tells for 30 s. */
const ASK = 10_000
/** For how long a node may say nothing before that is said, in milliseconds. */
const PATIENCE = 15_000

type LiveEvent = Record<string, unknown> & { at: number, event: string, node: string, session?: string }

const ofCalls = (kind: string): boolean => CALL_KINDS.some(call => call === kind)

export const events: Verb = {
  help: `fastify-mcp-sticky events [options]

What happens on all nodes, a line each, until Ctrl-C: sessions that open, move
and end, refusals, outages, drains. A node tells from its next beat on, and
stops half a minute after nobody watches any more. docs/operations.md has the
kinds and what each says; with --json a line is the whole event.

  --calls               every call and every forward, too
  --kind KIND           of one kind alone, or of those that begin so: session, request.refused
  --node NODE           of one node alone
  --session NAME        of one session alone, by its public name or the beginning of that
  --for DURATION        ends after 90s, 15m, 4h
`,
  options: { calls: { type: 'boolean' }, kind: { type: 'string' }, node: { type: 'string' }, session: { type: 'string' }, for: { type: 'string' } },
  names: [],
  async run (scene) {
    const { listen, values, interrupted, err } = scene
    // Whoever asks for their kind asks for them.
    const calls = values['calls'] === true || ofCalls(String(values['kind']))
    const ended = new AbortController()
    const signals = [interrupted(), ended.signal]
    if (values['for'] !== undefined) signals.push(AbortSignal.timeout(durationOf('for', values['for'] as string)))
    const heard = new Set<string>()
    const asking = new Asking(scene, calls, heard)
    try {
      await Promise.race([asking.failed, listen(message => {
        if (!heard.has(message.node)) err(`listening to ${safe(message.node)}\n`)
        heard.add(message.node)
        print(scene, calls, message)
      }, AbortSignal.any(signals))])
    } finally {
      asking.stop()
      ended.abort()
    }
    return true
  }
}

/** Asks the nodes to tell, those too that come later. */
class Asking {
  /** Rejects when they cannot be asked. */
  readonly failed: Promise<void>
  readonly #scene: Scene
  readonly #calls: boolean
  readonly #heard: ReadonlySet<string>
  /** Since when each has been asked: performance.now(). */
  readonly #asked = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor (scene: Scene, calls: boolean, heard: ReadonlySet<string>) {
    this.#scene = scene
    this.#calls = calls
    this.#heard = heard
    this.failed = new Promise((_resolve, reject) => {
      const ask = (): void => { this.#ask().catch(reject) }
      this.#timer = setInterval(ask, ASK)
      ask()
    })
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  async #ask (): Promise<void> {
    const { observer, err } = this.#scene
    const nodes = await observer.watch(this.#calls).catch(error => {
      if (!(error instanceof DirectoryUnavailableError)) throw error
      // It may have been busy; when it is gone, whoever listens is told.
      err(`${error.message}; the nodes are asked again\n`)
    })
    if (nodes === undefined) return
    if (nodes.length === 0) err('There is no live node.\n')
    const now = performance.now()
    for (const node of nodes) {
      const since = this.#asked.get(node) ?? now
      this.#asked.set(node, since)
      if (this.#heard.has(node) || now - since < PATIENCE) continue
      err(`node ${safe(node)} tells nothing: it is of a version that cannot, or may not publish (ACL: +publish &${this.#scene.keyPrefix}live)\n`)
      this.#asked.set(node, Infinity)
    }
  }
}

function print ({ values, json, out, err }: Scene, calls: boolean, { node, events, more }: LiveMessage): void {
  const { kind = '', node: only = node, session = '' } = values as { kind?: string, node?: string, session?: string }
  if (node !== only) return
  for (const event of events as LiveEvent[]) {
    // Another may watch, who asked for more.
    if ((!calls && ofCalls(event.event)) || !event.event.startsWith(kind) || !(event.session ?? '').startsWith(session)) continue
    out(json ? `${safe(JSON.stringify(event))}\n` : line(event))
  }
  if (more > 0) err(`node ${safe(node)} had ${more} more within a moment\n`)
}

/** `2026-11-26T03:02:11.042Z a  session.opened  session=… …` */
function line ({ at, event, node, ...facts }: LiveEvent): string {
  const told = Object.entries(facts).map(([name, value]) => `${name}=${wordOf(value)}`)
  return `${safe([new Date(at).toISOString(), node, event, ...told].join('  '))}\n`
}

function wordOf (value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 10) / 10)
  return typeof value === 'string' && /^[\w./:-]+$/.test(value) ? value : JSON.stringify(value)
}
