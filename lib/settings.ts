import { hostname } from 'node:os'
import type { RouteShorthandOptions } from 'fastify'
import { HEARTBEAT } from './beats.ts'
import { OptionError, PolicyUnavailableError } from './errors.ts'
import { count, duration, known, nodeAddress, plainPath, redisPrefix } from './option-checks.ts'
import type { McpStickyOptions } from './options.ts'

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
  if (typeof routeOptions !== 'object' || routeOptions === null || Array.isArray(routeOptions)) throw new OptionError('routeOptions', 'must be an object')
  for (const name of ['method', 'url', 'path', 'handler', 'exposeHeadRoute']) {
    if (name in routeOptions) throw new OptionError(`routeOptions.${name}`, 'is the plugin\'s own; use `path` for the url')
  }
  return {
    ...options,
    path: plainPath('path', options.path ?? '/mcp'),
    keyPrefix: redisPrefix('keyPrefix', options.keyPrefix ?? 'mcp:'),
    misroute,
    orphan,
    responseMode,
    routeOptions,
    node: {
      id: nodeId(node.id),
      url: node.url === undefined ? undefined : nodeAddress('node.url', node.url),
      heartbeat: duration('node.heartbeat', node.heartbeat, HEARTBEAT.usual, HEARTBEAT),
      unprovenTimeout: duration('node.unprovenTimeout', node.unprovenTimeout, MINUTE)
    },
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

/** A policy other than `reject` needs other nodes that can reach this one. */
function policy<Other extends string> (name: string, value: string | undefined, other: Other, url: string | undefined): 'reject' | Other | undefined {
  if (value !== undefined && value !== 'reject' && value !== other) throw new OptionError(name, `must be '${other}' or 'reject'`)
  if (value === other && url === undefined) throw new PolicyUnavailableError(name, `'${other}' needs the option node.url, by which the other nodes reach this one`)
  return value as 'reject' | Other | undefined
}

function nodeId (id: string | undefined): string {
  if (id === undefined) return `${hostname().replace(/[^\w.-]/g, '-').slice(0, 50)}-${process.pid}`
  if (typeof id !== 'string' || !/^[\w.-]{1,64}$/.test(id)) throw new OptionError('node.id', 'must be 1 to 64 of A-Z a-z 0-9 . _ -')
  return id
}

function hostLists ({ allowedHosts, allowedOrigins }: McpStickyOptions): Pick<McpStickyOptions, 'allowedHosts' | 'allowedOrigins'> {
  if (allowedHosts !== undefined && !(Array.isArray(allowedHosts) && allowedHosts.every(host => typeof host === 'string' && /^[^/\s*]+$/.test(host)))) {
    throw new OptionError('allowedHosts', 'must be an array of hosts, as in mcp.example.com or mcp.example.com:8443')
  }
  if (allowedOrigins !== undefined && !(Array.isArray(allowedOrigins) && allowedOrigins.every(mayBeOrigin))) {
    throw new OptionError('allowedOrigins', 'must be an array of origins, as in https://app.example.com')
  }
  return { ...(allowedHosts && { allowedHosts }), ...(allowedOrigins && { allowedOrigins }) }
}

function mayBeOrigin (origin: unknown): boolean {
  return typeof origin === 'string' && (origin === 'null' || /^[a-z][a-z0-9+.-]*:\/\/[^/\s*]+$/i.test(origin))
}

function eventStore ({ eventStore }: McpStickyOptions): Pick<McpStickyOptions, 'eventStore'> {
  if (eventStore === undefined) return {}
  if (typeof eventStore?.storeEvent !== 'function' || typeof eventStore.replayEventsAfter !== 'function') {
    throw new OptionError('eventStore', 'must have storeEvent and replayEventsAfter, as the SDK\'s EventStore')
  }
  return { eventStore }
}
