import { ServerFailedError } from '../errors.ts'
import type { TransportLog } from '../http/session-log.ts'
import type { McpServerLike } from '../transport/mcp-server.ts'
import type { JsonRpcNotification } from '../transport/messages.ts'
import { AnswerWait } from '../transport/timers.ts'
import { bind, dispose } from './instance.ts'
import type { Instance } from './instance.ts'

interface ServersParts {
  /** Of `each`: told of the request; of `shared`: of the node. */
  createServer: (told: unknown) => McpServerLike | Promise<McpServerLike>
  /** What createServer is told of the node. */
  node: unknown
  /** A server says that something has changed. */
  changed: (notification: JsonRpcNotification, instance: Instance) => void
  log: TransportLog
  /** Milliseconds for createServer and the server's connect together. Default 30000, as for a session. */
  bound?: number
}

const BOUND = 30_000

/** Makes the servers of an endpoint: one that serves all requests of the node, or one for each. */
export class Servers {
  readonly #parts: ServersParts
  readonly #making: AnswerWait
  #shared: Instance | undefined
  #coming: Promise<Instance> | undefined
  #closed = false

  constructor (parts: ServersParts) {
    this.#parts = parts
    this.#making = new AnswerWait(parts.bound ?? BOUND)
  }

  /** The node's one server, made again if it has closed its connection. */
  shared (): Instance | Promise<Instance> {
    if (this.#shared !== undefined && !this.#shared.channel.closed) return this.#shared
    this.#coming ??= this.#make(this.#parts.node, undefined).then(async instance => {
      this.#shared = instance
      if (this.#closed) await this.end(instance)
      return instance
    }).finally(() => { this.#coming = undefined })
    return this.#coming
  }

  /** A server for one request, with this envelope. */
  each (told: unknown, meta: Readonly<Record<string, unknown>>): Promise<Instance> {
    return this.#make(told, meta)
  }

  /** Ends a server. Never rejects. */
  async end (instance: Instance): Promise<void> {
    await dispose(instance, err => this.#parts.log.warn({ err }, 'closing an MCP server failed'))
  }

  /** Ends the node's one server, and with it the calls that it has not answered. */
  async close (): Promise<void> {
    this.#closed = true
    if (this.#shared !== undefined) await this.end(this.#shared)
  }

  /** @throws ServerFailedError when createServer or the server's connect fails, or both together take too long. */
  #make (told: unknown, meta: Readonly<Record<string, unknown>> | undefined): Promise<Instance> {
    return new Promise((resolve, reject) => {
      let late = false
      const { bound = BOUND, log } = this.#parts
      const attempt = {
        waitingSince: 0,
        waited: () => {
          late = true
          reject(failed(new Error(`createServer and the server's connect took longer than ${bound} ms`)))
        }
      }
      this.#making.add(attempt)
      this.#bind(told, meta).then(async instance => {
        this.#making.delete(attempt)
        if (late) await this.end(instance)
        else resolve(instance)
      }).catch(error => {
        this.#making.delete(attempt)
        if (late) log.warn({ err: error }, 'an MCP server that nobody waits for any more could not be made')
        else reject(failed(error))
      })
    })
  }

  async #bind (told: unknown, meta: Readonly<Record<string, unknown>> | undefined): Promise<Instance> {
    const { createServer, changed } = this.#parts
    const made = createServer(told)
    const instance = await bind(made instanceof Promise ? await made : made, meta)
    instance.channel.onUnrelated = notification => changed(notification, instance)
    return instance
  }
}

function failed (error: unknown): Error {
  return new ServerFailedError(error instanceof Error ? error.message : String(error), { cause: error })
}
