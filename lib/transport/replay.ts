import type { Replay } from '../directory/record.ts'
import { ReplayError } from '../errors.ts'
import { failure } from './messages.ts'
import type { JsonRpcError, JsonRpcMessage, JsonRpcResult } from './messages.ts'
import type { Memory } from './takeover/memory.ts'

export type { Replay }

const MAX_INITIALIZE = 8 * 1024

/**
 * The params of an initialize request as a record keeps them: JSON without the
 * client's icons, which may be large and mean nothing to a server. Undefined
 * when that is more than 8 KiB: the session cannot be adopted.
 */
export function initializeForReplay (params: Record<string, unknown> | undefined): string | undefined {
  if (params === undefined) return undefined
  const clientInfo: unknown = JSON.parse(JSON.stringify(params['clientInfo'] ?? {}, (name, value) => name === 'icons' ? undefined : value))
  const json = JSON.stringify({ ...params, clientInfo })
  return Buffer.byteLength(json) > MAX_INITIALIZE ? undefined : json
}

interface ReplayingParts {
  /** Makes the ids of the requests, which no client's may equal. */
  token: string
  /** Hands a message to the server. False: the server could not even take it. */
  deliver: (message: JsonRpcMessage) => boolean
  /** Where what the server accepts is kept. */
  memory: Memory | undefined
  /** The server refuses something that a session can do without. */
  warn: (text: string) => void
}

/**
 * Plays the client of a session to a fresh server: initialize, initialized,
 * then what the client had changed, one after another.
 */
export class Replaying {
  readonly #parts: ReplayingParts
  #count = 0
  #asked: { id: string, resolve: (answer: JsonRpcResult | JsonRpcError) => void } | undefined
  #fail: ((error: Error) => void) | undefined

  constructor (parts: ReplayingParts) {
    this.#parts = parts
  }

  /**
   * Settles when the server has answered everything, within `bound` milliseconds.
   * @throws ReplayError
   */
  async run (replay: Replay, expectedVersion: string, bound: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject
        timer = setTimeout(() => reject(new ReplayError(`the server did not answer within ${bound} ms`)), bound)
        this.#play(replay, expectedVersion).then(resolve, reject)
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Takes what the server says if it is the answer that is waited for. */
  answered (message: JsonRpcMessage): boolean {
    const asked = this.#asked
    if (asked === undefined || 'method' in message || message.id !== asked.id) return false
    this.#asked = undefined
    asked.resolve(message)
    return true
  }

  /** The session ends in the middle of it. */
  fail (error: Error): void {
    this.#fail?.(error)
  }

  async #play ({ initialize, logLevel, subscriptions }: Replay, expectedVersion: string): Promise<void> {
    const answer = await this.#ask('initialize', parsed(initialize))
    if ('error' in answer) throw new ReplayError(`initialize was refused: ${answer.error.message}`)
    const { protocolVersion } = answer.result
    if (protocolVersion !== expectedVersion) {
      throw new ReplayError(`the server negotiates ${String(protocolVersion)} now, and the session has ${expectedVersion}`)
    }
    if (!this.#parts.deliver({ jsonrpc: '2.0', method: 'notifications/initialized' })) {
      throw new ReplayError('the server could not take notifications/initialized')
    }
    if (logLevel !== undefined) await this.#repeat('logging/setLevel', { level: logLevel })
    for (const uri of subscriptions) await this.#repeat('resources/subscribe', { uri })
  }

  /** A server that has lost a feature, or a resource, still serves the rest of the session. */
  async #repeat (method: string, params: Record<string, unknown>): Promise<void> {
    const answer = await this.#ask(method, params)
    if ('error' in answer) this.#parts.warn(`a replayed ${method} was refused: ${answer.error.message}`)
    else this.#parts.memory?.keep({ method, params })
  }

  #ask (method: string, params: Record<string, unknown>): Promise<JsonRpcResult | JsonRpcError> {
    const id = `${this.#parts.token}-replay-${++this.#count}`
    return new Promise(resolve => {
      this.#asked = { id, resolve }
      if (!this.#parts.deliver({ jsonrpc: '2.0', id, method, params })) resolve(failure(id, 'Internal error'))
    })
  }
}

function parsed (initialize: string): Record<string, unknown> {
  try {
    return JSON.parse(initialize) as Record<string, unknown>
  } catch {
    throw new ReplayError('the stored initialize is no JSON')
  }
}
