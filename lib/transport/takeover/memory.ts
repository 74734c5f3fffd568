import type { Replay } from '../../directory/record.ts'
import type { JsonRpcRequest } from '../messages.ts'

const MAX_SUBSCRIPTIONS = 100
/** Longer values, in characters, would make a record that is written often a large one. */
const MAX_LENGTH = 2048

/** What the client has told its server about the session, beyond initialize. */
export type Remembered = Omit<Replay, 'initialize'>

/**
 * Keeps what a node that adopts the session has to tell its own server again:
 * the requests that change something in the server and that it has accepted.
 */
export class Memory {
  readonly #changed: () => void
  readonly #warn: (text: string) => void
  readonly #subscriptions = new Set<string>()
  #logLevel: string | undefined
  #warned = false

  /** `changed` is called after something changed, `warn` once when something could not be kept. */
  constructor (changed: () => void, warn: (text: string) => void) {
    this.#changed = changed
    this.#warn = warn
  }

  get remembered (): Remembered {
    return { logLevel: this.#logLevel, subscriptions: [...this.#subscriptions] }
  }

  /** The server has accepted a request. */
  accepted (request: JsonRpcRequest): void {
    if (this.keep(request)) this.#changed()
  }

  /** The same without telling. True: something changed. */
  keep ({ method, params }: Pick<JsonRpcRequest, 'method' | 'params'>): boolean {
    switch (method) {
      case 'logging/setLevel': return this.#setLevel(params?.['level'])
      case 'resources/subscribe': return this.#subscribe(params?.['uri'])
      case 'resources/unsubscribe': return this.#subscriptions.delete(params?.['uri'] as string)
      default: return false
    }
  }

  #setLevel (level: unknown): boolean {
    if (level === this.#logLevel || !this.#fits(level)) return false
    this.#logLevel = level
    return true
  }

  #subscribe (uri: unknown): boolean {
    if (this.#subscriptions.has(uri as string) || !this.#fits(uri)) return false
    if (this.#subscriptions.size === MAX_SUBSCRIPTIONS) return this.#forgo(`more than ${MAX_SUBSCRIPTIONS} subscriptions`)
    this.#subscriptions.add(uri)
    return true
  }

  #fits (value: unknown): value is string {
    if (typeof value !== 'string') return false
    return value.length <= MAX_LENGTH || this.#forgo(`a value of more than ${MAX_LENGTH} characters`)
  }

  #forgo (what: string): false {
    if (!this.#warned) this.#warn(`${what} of a session cannot be kept for a node that adopts it`)
    this.#warned = true
    return false
  }
}
