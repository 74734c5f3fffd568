import { isIP } from 'node:net'
import { Pool, buildConnector } from 'undici'
import type { Dispatcher } from 'undici'

/** Bytes of header fields that an owner's answer may have: what its application sets, its own clients get. */
const ANSWER_FIELDS = 1024 * 1024

/**
 * Connections to the other nodes: kept alive, no pipelining, and no limit to
 * their number or to the time an answer takes.
 */
export class OwnerPools {
  readonly #pools = new Map<string, Dispatcher>()
  readonly #connect: buildConnector.connector
  #closed = false

  /** `connectTimeout` in milliseconds; undici keeps it to within half a second. */
  constructor (connectTimeout: number) {
    const connect = buildConnector({ timeout: connectTimeout })
    // TLS names no host by its address; the certificate is compared with the address all the same.
    this.#connect = ({ servername, ...options }, callback) => {
      connect(servername === undefined || isIP(servername) !== 0 ? options : { ...options, servername }, callback)
    }
  }

  /** The connections to the node at `url`. Throws when all are closed. */
  to (url: string): Dispatcher {
    return this.#pools.get(url) ?? this.#open(url)
  }

  /** Breaks off everything that is under way to a node. */
  abandon (url: string, error: Error): void {
    const pool = this.#pools.get(url)
    this.#pools.delete(url)
    pool?.destroy(error, done)
  }

  /** Breaks off everything that is under way now. */
  abandonAll (error: Error): void {
    for (const url of this.#pools.keys()) this.abandon(url, error)
  }

  /** Breaks off everything, for good. */
  async close (error: Error): Promise<void> {
    this.#closed = true
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map(pool => pool.destroy(error)))
  }

  #open (url: string): Dispatcher {
    if (this.#closed) throw new Error('nothing is forwarded any more')
    const pool = new Pool(url, { connect: this.#connect, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, maxHeaderSize: ANSWER_FIELDS })
    const { protocol, hostname } = new URL(url)
    const dispatcher = protocol === 'https:' ? pool.compose(named(hostname)) : pool
    this.#pools.set(url, dispatcher)
    let connected = 0
    const tidy = (): void => {
      // Nodes come and go; a pool goes with its last connection.
      if (connected === 0 && pool.stats.size === 0 && this.#pools.get(url) === dispatcher) {
        this.#pools.delete(url)
        pool.destroy(null, done)
      }
    }
    pool.on('connect', () => { connected++ })
    pool.on('disconnect', () => {
      connected--
      tidy()
    })
    pool.on('connectionError', tidy)
    return dispatcher
  }
}

/** The certificate must be the owner's. By itself undici asks for the host of the Host field, which is the client's. */
function named (hostname: string): Dispatcher.DispatchInterceptor {
  const servername = hostname.replace(/^\[|\]$/g, '')
  return dispatch => (options, handler) => dispatch({ ...options, servername } as Dispatcher.DispatchOptions, handler)
}

function done (): void {}
