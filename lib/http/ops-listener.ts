import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { OptionError } from '../errors.ts'
import { pathOf, serve } from './internal-paths.ts'
import type { InternalHandler } from './internal-paths.ts'

interface OpsListenerOptions {
  host: string
  /** 0: any that is free. */
  port: number
  log: Pick<FastifyBaseLogger, 'error' | 'info'>
}

/** How long an answer may be on its way when the listener closes, in milliseconds. */
const CLOSE_BOUND = 1000

/** By the server of their application: what serves metrics or the proxy's document finds it there. */
const listeners = new WeakMap<Server, OpsListener>()

/** Gives an application a listener for operators. */
export function addOpsListener (app: FastifyInstance, options: Omit<OpsListenerOptions, 'log'>): OpsListener {
  const listener = new OpsListener({ ...options, log: app.log })
  listeners.set(app.server as Server, listener)
  return listener
}

/** That of an application, where the option `ops` is set. */
export function opsListenerOf (app: FastifyInstance): OpsListener | undefined {
  return listeners.get(app.server as Server)
}

/**
 * What operators, their probes and their proxy ask, on an address of its own:
 * nothing of the application, its hooks, limits and TLS comes before it, and
 * what clients reach does not have it.
 */
export class OpsListener {
  readonly #options: OpsListenerOptions
  readonly #paths = new Map<string, InternalHandler>()
  readonly #server: Server
  #closing = false

  constructor (options: OpsListenerOptions) {
    this.#options = options
    this.#server = createServer((request, response) => {
      const handler = this.#paths.get(pathOf(request.url ?? '')) ?? (() => ({ status: 404, body: { error: 'not found', paths: [...this.#paths.keys()] } }))
      serve({ handler }, request, response, this.#closing, options.log)
    })
    // The application keeps the process, not this.
    this.#server.unref()
  }

  /** `http://host:port`; undefined until it listens. */
  get url (): string | undefined {
    const address = this.#server.address() as AddressInfo | null
    return address === null ? undefined : `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
  }

  /** Answers GET and HEAD at a path. @throws OptionError where something answers there already */
  add (path: string, handler: InternalHandler): void {
    if (this.#paths.has(pathOf(path))) throw new OptionError('path', `is ${path}, where the ops listener has something else already`)
    this.#paths.set(pathOf(path), handler)
  }

  /** @throws OptionError when it cannot listen there */
  async listen (): Promise<void> {
    const { host, port, log } = this.#options
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => reject(new OptionError(error.code === 'EADDRINUSE' || error.code === 'EACCES' ? 'ops.port' : 'ops.host', `cannot be listened at: ${error.message}`))
      this.#server.once('error', failed)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', failed)
        this.#server.on('error', err => log.error({ err }, 'the mcp ops listener failed'))
        resolve()
      })
    })
    log.info({ url: this.url }, 'mcp ops listener is open')
  }

  /** What is being answered is answered, within a second. */
  async close (): Promise<void> {
    this.#closing = true
    if (!this.#server.listening) return
    const closed = new Promise(resolve => { this.#server.close(resolve) })
    this.#server.closeIdleConnections()
    const late = setTimeout(() => this.#server.closeAllConnections(), CLOSE_BOUND)
    await closed
    clearTimeout(late)
  }
}
