import { OptionError } from '../errors.ts'
import { known, whole } from '../option-checks.ts'
import type { NodeTls, RouterTls } from './schema.ts'

/** How the MCP endpoint stands in Traefik. Everything has a default; durations are milliseconds. */
export interface TraefikOptions {
  /** The MCP endpoint as clients ask for it, or all of them: the longest that fits a request is its endpoint. Default `/mcp`. */
  mcpPath?: string | string[]
  /** Names of Traefik's entry points. Default: those that Traefik itself takes for the default. */
  entryPoints?: string[]
  /** The routers take TLS requests only: `true` for Traefik's default certificate, or what Traefik takes at `tls` of a router. */
  tls?: boolean | RouterTls
  /** A rule that must match besides the path: ``Host(`mcp.example.com`)``. */
  hostRule?: string
  /** What the names of routers, services and middlewares begin with. Default `mcp`. */
  names?: string
  /**
   * Of the routers; they must rise in this order and be above the
   * application's own. With several paths those of the longer ones are between
   * `node` and `guard`, three for each. Default `{ cookie: 1000, node: 1100, guard: 1200 }`, and
   * `stateless` half way between cookie and node.
   */
  priorities?: { cookie?: number, stateless?: number, node?: number, guard?: number }
  /** Middlewares of yours, by qualified name (`ratelimit@file`), that run before ours. */
  middlewares?: string[]
  /** How often Traefik asks each node, and how long it waits. Default 1000 and 1000. */
  healthCheck?: { interval?: number, timeout?: number }
  /**
   * For nodes with https whose certificates Traefik's own trust does not cover,
   * a private CA's above all; or the name of a transport of yours, by qualified
   * name (`mtls@file`). Default: the one of Traefik's static configuration.
   */
  serversTransport?: string | NodeTls
}

/** The options, checked, with every default in place. */
export interface TraefikSettings {
  mcpPaths: string[]
  entryPoints: string[] | undefined
  tls: RouterTls | undefined
  hostRule: string | undefined
  names: string
  priorities: { cookie: number, stateless: number, node: number, guard: number }
  middlewares: string[]
  healthCheck: { interval: number, timeout: number }
  serversTransport: string | NodeTls | undefined
}

const NAMES = ['mcpPath', 'entryPoints', 'tls', 'hostRule', 'names', 'priorities', 'middlewares', 'healthCheck', 'serversTransport']
const DAY = 24 * 60 * 60_000
const MILLISECONDS = ` of milliseconds from 1 to ${DAY}`

/** @throws OptionError: the message names the option. */
export function readTraefikOptions (options: TraefikOptions): TraefikSettings {
  known('', options, NAMES)
  const { mcpPath = '/mcp', entryPoints, hostRule, names = 'mcp', priorities = {}, middlewares = [], healthCheck = {} } = options
  known('priorities', priorities, ['cookie', 'stateless', 'node', 'guard'])
  known('healthCheck', healthCheck, ['interval', 'timeout'])
  const mcpPaths = Array.isArray(mcpPath) ? mcpPath : [mcpPath]
  if (mcpPaths.length === 0 || new Set(mcpPaths).size < mcpPaths.length || !mcpPaths.every(isMcpPath)) {
    throw new OptionError('mcpPath', 'must be a plain path, as in /mcp, with no slash at its end, or a list of such paths')
  }
  if (entryPoints !== undefined && !(isList(entryPoints) && entryPoints.length > 0)) throw new OptionError('entryPoints', 'must be a list of names, or be left out')
  if (hostRule !== undefined && (typeof hostRule !== 'string' || hostRule.trim() === '')) throw new OptionError('hostRule', 'must be a rule in Traefik\'s syntax, as in Host(`mcp.example.com`)')
  if (typeof names !== 'string' || !/^[\w-]+$/.test(names)) throw new OptionError('names', 'must be of A-Z a-z 0-9 _ -')
  if (!isList(middlewares)) throw new OptionError('middlewares', 'must be a list of names')
  return {
    mcpPaths,
    entryPoints,
    tls: routerTls(options.tls),
    hostRule,
    names,
    priorities: rising(priorities, mcpPaths.length),
    middlewares,
    healthCheck: {
      interval: whole('healthCheck.interval', healthCheck.interval, 1000, MILLISECONDS, DAY),
      timeout: whole('healthCheck.timeout', healthCheck.timeout, 1000, MILLISECONDS, DAY)
    },
    serversTransport: nodeTransport(options.serversTransport)
  }
}

function isMcpPath (path: unknown): boolean {
  return typeof path === 'string' && /^\/([^?#*:`\s]*[^?#*:`\s/])?$/.test(path)
}

function isList (value: unknown): value is string[] {
  return Array.isArray(value) && value.every(name => typeof name === 'string' && /^\S+$/.test(name))
}

function routerTls (tls: TraefikOptions['tls']): RouterTls | undefined {
  if (tls === undefined || tls === false) return undefined
  if (tls === true) return {}
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls)) throw new OptionError('tls', 'must be true, false, or what Traefik takes at tls of a router')
  known('tls', tls, ['options', 'certResolver', 'domains'])
  return tls
}

function nodeTransport (transport: TraefikOptions['serversTransport']): TraefikSettings['serversTransport'] {
  if (transport === undefined) return undefined
  if (typeof transport === 'string') {
    if (!/^\S+$/.test(transport)) throw new OptionError('serversTransport', 'must be the name of a transport, as in mtls@file, or { rootCAs, serverName, insecureSkipVerify }')
    return transport
  }
  known('serversTransport', transport, ['rootCAs', 'serverName', 'insecureSkipVerify'])
  const { rootCAs, serverName, insecureSkipVerify } = transport
  if (rootCAs !== undefined && !(Array.isArray(rootCAs) && rootCAs.length > 0 && rootCAs.every(ca => typeof ca === 'string' && ca.trim() !== ''))) {
    throw new OptionError('serversTransport.rootCAs', 'must be a list of paths where Traefik runs, or of certificates in PEM')
  }
  if (serverName !== undefined && (typeof serverName !== 'string' || !/^[\w.-]+$/.test(serverName))) throw new OptionError('serversTransport.serverName', 'must be a host name')
  if (insecureSkipVerify !== undefined && typeof insecureSkipVerify !== 'boolean') throw new OptionError('serversTransport.insecureSkipVerify', 'must be true or false')
  return transport
}

/** A session's own node comes before the pool, and nothing comes before the guard; between them is room for three of each further path. */
function rising ({ cookie = 1000, node = 1100, guard = 1200, stateless = Math.ceil((cookie + node) / 2) }: NonNullable<TraefikOptions['priorities']>, paths: number): TraefikSettings['priorities'] {
  if (![cookie, node, guard].every(priority => Number.isSafeInteger(priority) && priority > 0) || cookie >= node || node >= guard) {
    throw new OptionError('priorities', `must be whole numbers above 0 with cookie < node < guard, and are ${cookie}, ${node}, ${guard}`)
  }
  if (!Number.isSafeInteger(stateless) || stateless <= cookie || stateless > node) throw new OptionError('priorities.stateless', `must be a whole number above cookie and not above node, and is ${stateless}`)
  if (guard - node < 3 * paths - 2) throw new OptionError('priorities', `must have room for ${3 * (paths - 1)} between node and guard, three for each path of mcpPath but the shortest`)
  return { cookie, stateless, node, guard }
}
