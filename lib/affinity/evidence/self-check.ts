import { createHmac, randomBytes } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { SELF } from '../../http/between-nodes.ts'
import { PATHS } from '../../http/internal-paths.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import { ask } from './question.ts'
import type { Heard } from './question.ts'

/** Milliseconds for a connection, and for the answer. */
const BOUND = 1000

interface SelfCheckParts {
  node: NodeIdentity
  /** Milliseconds between two tries. */
  interval: number
  log: Pick<FastifyBaseLogger, 'info' | 'warn' | 'error'>
}

/**
 * Asks itself at `node.url` once it listens, and again at each beat until it
 * has answered. Somebody else's answer keeps the node from being ready; that
 * nobody answers does not: a proxy or a service may come later.
 */
export class SelfCheck {
  readonly #parts: SelfCheckParts
  readonly #key = randomBytes(32)
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #said = ''
  /** Not known to be reached by its url: not asked yet, or somebody else answers there. */
  problem = true

  constructor (parts: SelfCheckParts) {
    this.#parts = parts
  }

  /** The answer that only this process has. */
  answer (question: unknown): string | undefined {
    return typeof question === 'string' ? createHmac('sha256', this.#key).update(question).digest('base64url') : undefined
  }

  /** Begins to ask; the server listens. */
  start (): void {
    this.#ask().catch(error => this.#parts.log.error({ err: error }, 'this node could not ask itself'))
  }

  stop (): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #ask (): Promise<void> {
    const { node, interval } = this.#parts
    const question = randomBytes(16).toString('base64url')
    const heard = await ask(new URL(PATHS.self, node.url), { [SELF]: question }, BOUND)
    if (this.#stopped) return
    if (heard.heard === 'answer' && heard.status === 200 && heard.body === JSON.stringify({ answer: this.answer(question) })) {
      node.reached = true
      this.problem = false
      if (this.#said !== '') this.#parts.log.info({ url: node.url }, 'this node reaches itself at its url')
      return
    }
    this.#tell(heard)
    this.#timer = setTimeout(() => this.start(), interval).unref()
  }

  /** Once, as long as it stays the same. */
  #tell (heard: Heard): void {
    const { node: { url }, log } = this.#parts
    const seen = heard.heard === 'answer' ? `an answer that is not its own, with status ${heard.status}${location(heard)}` : heard.error.message
    this.problem = heard.heard === 'answer' || heard.heard === 'noise' || heard.heard === 'hung up'
    if (this.#said === seen) return
    this.#said = seen
    if (this.problem) log.error({ url, seen }, 'the option node.url does not lead to this node: it is not ready until it does; nodes need HTTP/1.1 there, with a certificate for its host where it is https')
    else log.warn({ url, seen }, 'this node does not reach itself at its node.url; if the other nodes and the proxy do not either, they cannot pass requests on to it')
  }
}

function location ({ headers }: Extract<Heard, { heard: 'answer' }>): string {
  return headers.location === undefined ? '' : ` and a redirect to ${headers.location}`
}
