import { hostname } from 'node:os'
import type { FastifyBaseLogger, FastifyRequest, LogLevel, RouteShorthandOptions } from 'fastify'
import { HEARTBEAT } from './beats.ts'
import { OptionError, PolicyUnavailableError } from './errors.ts'
import type { AuthInfo, Principal } from './security/principal.ts'
import type { AdoptedSession } from './sessions/sessions.ts'
import type { EventStore, McpServerLike } from './transport/mcp-server.ts'
import type { RedisClient } from './redis/client.ts'

/** What `createServer` is told about the session that it makes a server for. */
export interface NewSession {
  sessionId: string
  /** The initialize request, or the one that had this node adopt the session. Do not keep it. */
  request: FastifyRequest
  principal: Principal | undefined
  /** A child of the application's logger that names the session, shortened. */
  readonly log: FastifyBaseLogger
}

/** Options of `app.register(mcpSticky, …)`. Durations are milliseconds. */
export interface McpStickyOptions {
  /**
   * Makes the MCP server of one session: an McpServer of
   * `@modelcontextprotocol/sdk` 1.x or `@modelcontextprotocol/server` 2.x.
   * One server a session: never return the same object twice.
   */
  createServer: (session: NewSession) => McpServerLike | Promise<McpServerLike>
  /** The MCP endpoint. Default `/mcp`. */
  path?: string
  /**
   * Where session records live: an ioredis client or Cluster of yours (never
   * waited for, never closed), or a namespace of @fastify/redis. Default
   * `app.redis`; without either, records are kept in memory, for one node.
   */
  redis?: RedisClient | string
  /** Prefix of every Redis key. Default `mcp:`. */
  keyPrefix?: string
  node?: {
    /** Names this process among the nodes: [A-Za-z0-9._-]{1,64}. Default host name and pid. */
    id?: string
    /** How the proxy and the other nodes reach this one: `http://10.0.0.1:3000`. */
    url?: string
    /** Interval of the heartbeat. A node counts as gone after three. Default 2000. */
    heartbeat?: number
    /**
     * A node that is missed in Redis keeps its sessions while something answers
     * at its url, even if that is no proof that it is the node: for this long at
     * most, where the node never reached itself there. Default 60000.
     */
    unprovenTimeout?: number
  }
  /**
   * What to do with a session that lives on another node. `forward`, the
   * default where `node.url` and Redis are there: pass the request on to it.
   * `reject`: 404 (ADR-0066).
   */
  misroute?: 'reject' | 'forward'
  /**
   * What to do with a session whose node is gone. `reject`, the default: 404
   * (ADR-0066). `adopt`: the node that is asked makes a new server with
   * `createServer`, replays what the client had told the lost one, and goes on.
   * Needs `node.url` and Redis.
   */
  orphan?: 'reject' | 'adopt'
  /**
   * Called with `orphan: 'adopt'` when a session was taken over, before its
   * first request is served: bring the new server to where the lost one stood.
   * An error counts as a failed adoption; after three the session is lost.
   */
  onAdopt?: (session: AdoptedSession) => unknown
  /**
   * `auto` (default): JSON when the answer is the first thing a handler says,
   * else SSE. `json`, `sse`: always that.
   */
  responseMode?: 'auto' | 'json' | 'sse'
  stream?: {
    /** `auto` turns to SSE after a handler's silence this long. Default 1000. */
    wait?: number
    /** Interval of the comments that keep proxies from closing a silent stream. Default 15000. */
    keepAlive?: number
    /**
     * How long a client waits before it comes back to a stream that goes on,
     * told it (SSE `retry`) before the server ends the connection. Default
     * 1000; false: it is not told, for clients that know no such line.
     */
    retry?: number | false
    /**
     * Bytes that this node keeps for clients which have yet to take them, or
     * for the event store, all streams together. Beyond it the streams that
     * hold most are dropped, or go on without event ids. Default 128 MiB.
     */
    maxBuffered?: number
  }
  session?: {
    /** Life of a record in the directory, renewed by use. Default 30 days (ADR-0066), at least 5 minutes. */
    ttl?: number
    /** A session without an open stream or a call in flight ends after this. Default 4 hours; Infinity: never. */
    idleTimeout?: number
    /** A session ends when its client never comes back after initialize. Default 60000; Infinity: never. */
    firstUseTimeout?: number
    /** More sessions are refused with 503 and Retry-After. Default 10000. */
    maxPerNode?: number
    /** More sessions of one principal on this node are refused with 429. Default 1000. */
    maxPerPrincipal?: number
  }
  drain?: {
    /** `drain()` keeps taking sessions this long, until the proxy has seen that the node left the pool. Default 2500: two health checks a second apart, and some. */
    grace?: number
    /** Calls in flight get this long to finish. Default 10000. */
    timeout?: number
  }
  /** Who sent a request. A session answers to the principal that opened it, and to nobody else. Default: everybody is anonymous. */
  principal?: (request: FastifyRequest) => Principal | null | undefined | Promise<Principal | null | undefined>
  /** What handlers get as `extra.authInfo` (1.x) or `ctx.http.authInfo` (2.x). */
  authInfo?: (request: FastifyRequest) => AuthInfo | undefined | Promise<AuthInfo | undefined>
  /** `Host` values that are served: `mcp.example.com` (any port) or with a port. Default: any, but loopback names alone while listening on loopback without `node.url`. */
  allowedHosts?: string[]
  /** `Origin` values that are served besides the request's own host: `https://app.example.com`. */
  allowedOrigins?: string[]
  /** Makes streams resumable: an EventStore as the SDK defines it. */
  eventStore?: EventStore
  /** Fastify's own options for the route: onRequest, preHandler, config, bodyLimit (default 4 MiB) … */
  routeOptions?: RouteShorthandOptions
  /** Fastify's own: put before `path`. */
  prefix?: string
  logLevel?: LogLevel | 'silent'
  logSerializers?: Record<string, (value: any) => string>
}

/** The options, checked, with every default in place. */
export interface Settings extends Omit<McpStickyOptions, 'node' | 'session' | 'stream' | 'drain' | 'redis' | 'misroute'> {
  path: string
  keyPrefix: string
  /** Undefined: forward where that is possible. */
  misroute: 'reject' | 'forward' | undefined
  orphan: 'reject' | 'adopt'
  node: { id: string, url: string | undefined, heartbeat: number, unprovenTimeout: number }
  responseMode: 'auto' | 'json' | 'sse'
  stream: { wait: number, keepAlive: number, retry: number | false, maxBuffered: number }
  session: { ttl: number, idleTimeout: number, firstUseTimeout: number, maxPerNode: number, maxPerPrincipal: number }
  drain: { grace: number, timeout: number }
  routeOptions: RouteShorthandOptions
}

const NAMES = ['createServer', 'path', 'redis', 'keyPrefix', 'node', 'misroute', 'orphan', 'onAdopt', 'responseMode', 'stream', 'session', 'drain',
  'principal', 'authInfo', 'allowedHosts', 'allowedOrigins', 'eventStore', 'routeOptions', 'prefix', 'logLevel', 'logSerializers']
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/**
 * Checks the options of register.
 * @throws OptionError, PolicyUnavailableError: the message names the option.
 */
export function readOptions (options: McpStickyOptions): Settings {
  known('', options, NAMES)
  const { node = {}, session = {}, stream = {}, drain = {}, routeOptions = {} } = options
  known('node', node, ['id', 'url', 'heartbeat', 'unprovenTimeout'])
  known('session', session, ['ttl', 'idleTimeout', 'firstUseTimeout', 'maxPerNode', 'maxPerPrincipal'])
  known('stream', stream, ['wait', 'keepAlive', 'retry', 'maxBuffered'])
  known('drain', drain, ['grace', 'timeout'])
  if (typeof options.createServer !== 'function') throw new OptionError('createServer', 'must be a function that returns an MCP server')
  for (const name of ['principal', 'authInfo'] as const) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw new OptionError(name, 'must be a function of the request')
  }
  if (options.onAdopt !== undefined && typeof options.onAdopt !== 'function') throw new OptionError('onAdopt', 'must be a function of the adopted session')
  const misroute = policy('misroute', options.misroute, 'forward', node.url)
  const orphan = policy('orphan', options.orphan, 'adopt', node.url) ?? 'reject'
  const responseMode = options.responseMode ?? 'auto'
  if (!['auto', 'json', 'sse'].includes(responseMode)) throw new OptionError('responseMode', "must be 'auto', 'json' or 'sse'")
  const path = options.path ?? '/mcp'
  if (typeof path !== 'string' || !/^\/[^?#*:]*$/.test(path)) throw new OptionError('path', 'must be a plain path that starts with / (no parameters, no wildcard)')
  const keyPrefix = options.keyPrefix ?? 'mcp:'
  if (typeof keyPrefix !== 'string' || /[{}]/.test(keyPrefix)) throw new OptionError('keyPrefix', 'must be a string without { and } (a hash tag would put every key on one master)')
  if (typeof routeOptions !== 'object' || routeOptions === null || Array.isArray(routeOptions)) throw new OptionError('routeOptions', 'must be an object')
  for (const name of ['method', 'url', 'path', 'handler', 'exposeHeadRoute']) {
    if (name in routeOptions) throw new OptionError(`routeOptions.${name}`, 'is the plugin\'s own; use `path` for the url')
  }
  return {
    ...options,
    path,
    keyPrefix,
    misroute,
    orphan,
    responseMode,
    routeOptions,
    node: { id: nodeId(node.id), url: nodeUrl(node.url), heartbeat: duration('node.heartbeat', node.heartbeat, HEARTBEAT.usual, HEARTBEAT), unprovenTimeout: duration('node.unprovenTimeout', node.unprovenTimeout, MINUTE) },
    stream: {
      wait: duration('stream.wait', stream.wait, 1000),
      keepAlive: duration('stream.keepAlive', stream.keepAlive, 15_000),
      retry: stream.retry === false ? false : duration('stream.retry', stream.retry, 1000),
      maxBuffered: count('stream.maxBuffered', stream.maxBuffered, 128 * 1024 * 1024, ' of bytes')
    },
    session: {
      ttl: duration('session.ttl', session.ttl, 30 * DAY, { least: 5 * MINUTE, most: 365 * DAY }),
      idleTimeout: duration('session.idleTimeout', session.idleTimeout, 240 * MINUTE, { most: Infinity }),
      firstUseTimeout: duration('session.firstUseTimeout', session.firstUseTimeout, MINUTE, { most: Infinity }),
      maxPerNode: count('session.maxPerNode', session.maxPerNode, 10_000),
      maxPerPrincipal: count('session.maxPerPrincipal', session.maxPerPrincipal, 1000)
    },
    drain: { grace: duration('drain.grace', drain.grace, 2500, { least: 0 }), timeout: duration('drain.timeout', drain.timeout, 10_000, { least: 0 }) },
    ...hostLists(options),
    ...eventStore(options)
  }
}

function known (parent: string, value: object, names: string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new OptionError(parent === '' ? 'options' : parent, 'must be an object')
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw new OptionError(parent === '' ? name : `${parent}.${name}`, `is not known; the options here are ${names.join(', ')}`)
  }
}

/** A policy other than `reject` needs other nodes that can reach this one. */
function policy<Other extends string> (name: string, value: string | undefined, other: Other, url: string | undefined): 'reject' | Other | undefined {
  if (value !== undefined && value !== 'reject' && value !== other) throw new OptionError(name, `must be '${other}' or 'reject'`)
  if (value === other && url === undefined) throw new PolicyUnavailableError(name, `'${other}' needs the option node.url, by which the other nodes reach this one`)
  return value as 'reject' | Other | undefined
}

function duration (name: string, value: number | undefined, fallback: number, { least = 1, most = 2 ** 31 - 1 } = {}): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || Number.isNaN(value) || value < least || value > most) {
    throw new OptionError(name, `must be a number of milliseconds from ${least} to ${most}`)
  }
  return value
}

function count (name: string, value: number | undefined, fallback: number, of = ''): number {
  if (value === undefined) return fallback
  if (value !== Infinity && (!Number.isSafeInteger(value) || value < 1)) throw new OptionError(name, `must be a whole number${of} of at least 1, or Infinity`)
  return value
}

function nodeId (id: string | undefined): string {
  if (id === undefined) return `${hostname().replace(/[^\w.-]/g, '-').slice(0, 50)}-${process.pid}`
  if (typeof id !== 'string' || !/^[\w.-]{1,64}$/.test(id)) throw new OptionError('node.id', 'must be 1 to 64 of A-Z a-z 0-9 . _ -')
  return id
}

/** The tag is a hash of the url as Traefik has it, so only one way to write it is taken. */
function nodeUrl (url: string | undefined): string | undefined {
  if (url === undefined) return undefined
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.origin !== url) {
    throw new OptionError('node.url', 'must be scheme, host and port alone, as in http://10.0.0.1:3000')
  }
  return url
}

function hostLists ({ allowedHosts, allowedOrigins }: McpStickyOptions): Pick<McpStickyOptions, 'allowedHosts' | 'allowedOrigins'> {
  if (allowedHosts !== undefined && !(Array.isArray(allowedHosts) && allowedHosts.every(host => typeof host === 'string' && /^[^/\s*]+$/.test(host)))) {
    throw new OptionError('allowedHosts', 'must be an array of hosts, as in mcp.example.com or mcp.example.com:8443')
  }
  if (allowedOrigins !== undefined && !(Array.isArray(allowedOrigins) && allowedOrigins.every(isOrigin))) {
    throw new OptionError('allowedOrigins', 'must be an array of origins, as in https://app.example.com')
  }
  return { ...(allowedHosts && { allowedHosts }), ...(allowedOrigins && { allowedOrigins }) }
}

function isOrigin (origin: unknown): boolean {
  return typeof origin === 'string' && (origin === 'null' || /^[a-z][a-z0-9+.-]*:\/\/[^/\s*]+$/i.test(origin))
}

function eventStore ({ eventStore }: McpStickyOptions): Pick<McpStickyOptions, 'eventStore'> {
  if (eventStore === undefined) return {}
  if (typeof eventStore?.storeEvent !== 'function' || typeof eventStore.replayEventsAfter !== 'function') {
    throw new OptionError('eventStore', 'must have storeEvent and replayEventsAfter, as the SDK\'s EventStore')
  }
  return { eventStore }
}
