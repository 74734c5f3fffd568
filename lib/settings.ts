import { hostname } from 'node:os'
import type { RouteShorthandOptions } from 'fastify'
import { HEARTBEAT } from './beats.ts'
import { DEFAULT_ENDPOINT, isEndpointName } from './endpoint-name.ts'
import { OptionError, PolicyUnavailableError } from './errors.ts'
import { count, duration, flag, known, nodeAddress, plainPath, redisPrefix, secureUrl, whole } from './option-checks.ts'
import { MOST_TAGS } from './session-id.ts'
import type { McpServerLike } from './transport/mcp-server.ts'
import type { McpStickyOptions, OauthOptions } from './options.ts'

/** The options, checked, with every default in place. */
export interface Settings extends Omit<McpStickyOptions, 'node' | 'session' | 'stream' | 'drain' | 'redis' | 'misroute' | 'stateless' | 'oauth' | 'ops'> {
  name: string
  path: string
  keyPrefix: string
  /** Undefined: forward where that is possible. */
  misroute: 'reject' | 'forward' | undefined
  orphan: 'reject' | 'adopt'
  node: { id: string, url: string | undefined, heartbeat: number, unprovenTimeout: number, tags: number }
  responseMode: 'auto' | 'json' | 'sse'
  stream: { wait: number, keepAlive: number, retry: number | false, maxBuffered: number }
  session: { ttl: number, keepEnded: number, idleTimeout: number, firstUseTimeout: number, maxPerNode: number, maxPerPrincipal: number }
  drain: { grace: number, timeout: number }
  stateless: false | StatelessSettings
  oauth: Required<OauthOptions> | undefined
  routeOptions: RouteShorthandOptions
  ops: { host: string, port: number } | undefined
}

/** `secrets`: as text, whatever they were given as; undefined: the nodes make one. */
export interface StatelessSettings {
  servers: 'each' | 'shared'
  createServer: (told: unknown) => McpServerLike | Promise<McpServerLike>
  announce: boolean
  secrets: readonly string[] | undefined
  maxPerPrincipal: number
}

/** Bytes of a secret. */
const SECRET = 32
const NAMES = ['name', 'createServer', 'stateless', 'path', 'redis', 'keyPrefix', 'node', 'ops', 'misroute', 'orphan', 'onAdopt', 'responseMode', 'stream', 'session', 'drain',
  'principal', 'authInfo', 'oauth', 'allowedHosts', 'allowedOrigins', 'eventStore', 'routeOptions', 'prefix', 'logLevel', 'logSerializers']
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/**
 * Checks the options of register.
 * @throws OptionError, PolicyUnavailableError: the message names the option.
 */
export function readOptions (options: McpStickyOptions): Settings {
  known('', options, NAMES)
  const { node = {}, session = {}, stream = {}, drain = {}, routeOptions = {} } = options
  known('node', node, ['id', 'url', 'heartbeat', 'unprovenTimeout', 'tags'])
  known('session', session, ['ttl', 'keepEnded', 'idleTimeout', 'firstUseTimeout', 'maxPerNode', 'maxPerPrincipal'])
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
    name: endpointName(options.name),
    path: plainPath('path', options.path ?? '/mcp'),
    keyPrefix: redisPrefix('keyPrefix', options.keyPrefix ?? 'mcp:'),
    misroute,
    orphan,
    responseMode,
    stateless: statelessSettings(options),
    oauth: oauthSettings(options),
    ops: opsSettings(options),
    routeOptions,
    node: {
      id: nodeId(node.id),
      url: node.url === undefined ? undefined : nodeAddress('node.url', node.url),
      heartbeat: duration('node.heartbeat', node.heartbeat, HEARTBEAT.usual, HEARTBEAT),
      unprovenTimeout: duration('node.unprovenTimeout', node.unprovenTimeout, MINUTE),
      tags: whole('node.tags', node.tags, 1, ` from 1 to ${MOST_TAGS}`, MOST_TAGS)
    },
    stream: {
      wait: duration('stream.wait', stream.wait, 1000),
      keepAlive: duration('stream.keepAlive', stream.keepAlive, 15_000),
      retry: stream.retry === false ? false : duration('stream.retry', stream.retry, 1000),
      maxBuffered: count('stream.maxBuffered', stream.maxBuffered, 128 * 1024 * 1024, ' of bytes')
    },
    session: {
      ttl: duration('session.ttl', session.ttl, 30 * DAY, { least: 5 * MINUTE, most: 365 * DAY }),
      keepEnded: duration('session.keepEnded', session.keepEnded, DAY, { least: 0 }),
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

function statelessSettings ({ stateless = false, createServer }: McpStickyOptions): false | StatelessSettings {
  if (stateless === false) return false
  known('stateless', stateless, ['servers', 'createServer', 'announce', 'secrets', 'maxPerPrincipal'])
  const { servers = 'each', createServer: own } = stateless
  if (servers !== 'each' && servers !== 'shared') throw new OptionError('stateless.servers', "must be 'each' or 'shared'")
  if (own !== undefined && typeof own !== 'function') throw new OptionError('stateless.createServer', 'must be a function that returns an MCP server')
  if (servers === 'shared' && own === undefined) {
    throw new OptionError('stateless.createServer', "is required with servers: 'shared'; the createServer of sessions makes servers that belong to one client each")
  }
  return {
    servers,
    createServer: (own ?? createServer) as StatelessSettings['createServer'],
    announce: flag('stateless.announce', stateless.announce, true),
    secrets: stateless.secrets === undefined ? undefined : secretsOf(stateless.secrets),
    maxPerPrincipal: count('stateless.maxPerPrincipal', stateless.maxPerPrincipal, 1000)
  }
}

function secretsOf (secrets: ReadonlyArray<string | Uint8Array>): string[] {
  const isSecret = (secret: unknown): boolean => (typeof secret === 'string' || secret instanceof Uint8Array) && Buffer.from(secret).length >= SECRET
  if (!Array.isArray(secrets) || secrets.length === 0 || !secrets.every(isSecret)) {
    throw new OptionError('stateless.secrets', `must be an array of at least one secret, each of at least ${SECRET} bytes`)
  }
  return secrets.map(secret => typeof secret === 'string' ? secret : Buffer.from(secret as Uint8Array).toString('base64url'))
}

function oauthSettings ({ oauth }: McpStickyOptions): Settings['oauth'] {
  if (oauth === undefined) return undefined
  known('oauth', oauth, ['resource', 'authorizationServers', 'scopes'])
  const { resource, authorizationServers, scopes = [] } = oauth
  if (!Array.isArray(authorizationServers) || authorizationServers.length === 0) throw new OptionError('oauth.authorizationServers', 'must be an array of at least one url, as in https://login.example.com')
  // scope-token of RFC 6749, section 3.3.
  if (!Array.isArray(scopes) || !scopes.every(scope => typeof scope === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))) {
    throw new OptionError('oauth.scopes', 'must be an array of scopes, each without spaces and quotes, as in notes:read')
  }
  return {
    resource: secureUrl('oauth.resource', resource),
    authorizationServers: authorizationServers.map((url, index) => secureUrl(`oauth.authorizationServers[${index}]`, url)),
    scopes: [...scopes]
  }
}

function opsSettings ({ ops }: McpStickyOptions): Settings['ops'] {
  if (ops === undefined) return undefined
  known('ops', ops, ['host', 'port'])
  const { host = '127.0.0.1', port } = ops
  if (typeof host !== 'string' || !/^[\w.:-]+$/.test(host)) throw new OptionError('ops.host', 'must be an address or a name to listen at, as in 127.0.0.1, or 0.0.0.0 for all')
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new OptionError('ops.port', 'must be a port from 0 to 65535; 0: any that is free')
  return { host, port }
}

/** A policy other than `reject` needs other nodes that can reach this one. */
function policy<Other extends string> (name: string, value: string | undefined, other: Other, url: string | undefined): 'reject' | Other | undefined {
  if (value !== undefined && value !== 'reject' && value !== other) throw new OptionError(name, `must be '${other}' or 'reject'`)
  if (value === other && url === undefined) throw new PolicyUnavailableError(name, `'${other}' needs the option node.url, by which the other nodes reach this one`)
  return value as 'reject' | Other | undefined
}

/**
 * What is done with sessions that are elsewhere. `shared`: there is Redis.
 * @throws PolicyUnavailableError where nodes would need to find each other in Redis.
 */
export function choosePolicies ({ misroute, orphan, node }: Settings, shared: boolean): { misroute: 'forward' | 'reject', orphan: 'adopt' | 'reject' } {
  if (misroute === 'forward' && !shared) throw new PolicyUnavailableError('misroute', "'forward' needs Redis, where the nodes find each other; register @fastify/redis or set the option redis")
  if (orphan === 'adopt' && !shared) throw new PolicyUnavailableError('orphan', "'adopt' needs Redis, where sessions outlive their node; register @fastify/redis or set the option redis")
  return { misroute: misroute ?? (shared && node.url !== undefined ? 'forward' : 'reject'), orphan }
}

function endpointName (name: string | undefined): string {
  if (name === undefined) return DEFAULT_ENDPOINT
  if (!isEndpointName(name)) throw new OptionError('name', 'must be 1 to 32 of a-z 0-9 -')
  return name
}

/** Nodes of this process that were given no id. */
let unnamed = 0

function nodeId (id: string | undefined): string {
  if (id === undefined) return `${hostname().replace(/[^\w.-]/g, '-').slice(0, 50)}-${process.pid}${++unnamed === 1 ? '' : `-${unnamed}`}`
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
