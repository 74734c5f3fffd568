import { isIP } from 'node:net'
import { Pool, buildConnector } from 'undici'
import type { Dispatcher } from 'undici'

/** Bytes of header fields that an owner's answer may have: what its application sets, its own clients get. */
const ANSWER_FIELDS = 1024 * 1024

/**
 * Milliseconds that a connection is kept without use, and after which the
 * system probes one on which an answer is awaited. Where a firewall forgets a
 * connection, or a host vanishes, what is sent on it gets lost without a word;
 * to open a new one costs little, and fails before anything is sent.
 */
const IDLE = 4000

/**
 * Connections to the other nodes: kept alive, no pipelining, and no limit to
 * their number or to the time an answer takes.
 */
export class OwnerPools {
  readonly #pools = new Map<string, Dispatcher>()
  /** Those that answer what they have begun, and nothing more. */
  readonly #retired = new Set<Dispatcher>()
  readonly #connect: buildConnector.connector
  #closed = false

  /** `connectTimeout` in milliseconds; undici keeps it to within half a second. */
  constructor (connectTimeout: number) {
    const connect = buildConnector({ timeout: connectTimeout, keepAlive: true, keepAliveInitialDelay: IDLE })
    // TLS names no host by its address; the certificate is compared with the address all the same.
    this.#connect = ({ servername, ...options }, callback) => {
      connect(servername === undefined || isIP(servername) !== 0 ? options : { ...options, servername }, callback)
    }
  }

  /** The connections to the node at `url`. Throws when all are closed. */
  to (url: string): Dispatcher {
    return this.#pools.get(url) ?? this.#open(url)
  }

  /** New requests to a node get new connections; what is under way goes on. */
  retire (url: string): void {
    const pool = this.#pools.get(url)
    if (pool === undefined) return
    this.#pools.delete(url)
    this.#retired.add(pool)
    pool.close(() => { this.#retired.delete(pool) })
  }

  /** Breaks off everything that is under way now. */
  breakOff (error: Error): void {
    for (const pool of this.#all()) pool.destroy(error, done)
  }

  /** Breaks off everything, for good. */
  async close (error: Error): Promise<void> {
    this.#closed = true
    await Promise.all(this.#all().map(pool => pool.destroy(error)))
  }

  #all (): Dispatcher[] {
    const pools = [...this.#pools.values(), ...this.#retired]
    this.#pools.clear()
    this.#retired.clear()
    return pools
  }

  #open (url: string): Dispatcher {
    if (this.#closed) throw new Error('nothing is forwarded any more')
    const pool = new Pool(url, {
      connect: this.#connect, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: IDLE, keepAliveMaxTimeout: IDLE, maxHeaderSize: ANSWER_FIELDS
    })
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
