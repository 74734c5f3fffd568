import { OptionError } from '../errors.ts'
import { INTERNAL, PATHS } from '../http/internal-paths.ts'
import { nodeTag } from '../session-id.ts'
import { readTraefikOptions } from './options.ts'
import type { TraefikOptions, TraefikSettings } from './options.ts'
import type { DynamicConfiguration, LoadBalancer, Router, ServersTransport, Service } from './schema.ts'

/** Answers 503 while the node drains: the pool takes it out, and what is pinned to it in the pool moves. */
const READY = PATHS.ready
/** Answers 200 until the node closes, so a draining node keeps the sessions it has; where nodes forward and adopt, 503 while it drains: another answers, and forwards. */
const ALIVE = PATHS.alive
/** ADR-0066's name. */
const COOKIE = '_mcp_backend'
/**
 * Outlasts one health check of a second (with back-off from 250 ms), so a call
 * that meets a dead node finds a living one. Traefik sends again only what no
 * node has begun to read.
 *
 * A status to retry on makes Traefik read a body in full before it passes the
 * request on; none of ours is 599. Otherwise Go's proxy cuts a stream now and
 * then whose node has begun to answer before the proxy has noticed the end of
 * the body (golang/go#40747). Each request takes that much memory of Traefik;
 * longer bodies are passed on as they come.
 */
const RETRY = { attempts: 8, initialInterval: '250ms', maxRequestBodyBytes: 32_768, status: ['599'], retryNonIdempotentMethod: true }

/** As traefik.yml has them, which do not hold for a transport of its own. */
const FORWARDING = { dialTimeout: '2s', responseHeaderTimeout: '0s', idleConnTimeout: '60s' }

/**
 * Traefik's dynamic configuration for these nodes (ADR-0066, and cookie-less
 * affinity by the tag in the session id). The same nodes and options give the
 * same object, in whatever order the nodes come; a node that drains stays,
 * since health checks take it out of the pool.
 *
 * There are no passive health checks: Traefik makes 502 and 500 of a client's
 * broken body too, so that one bad client could take every node out.
 *
 * @param nodes by `url` as Traefik reaches them, exactly as in their option `node.url`
 * @throws MCP_STICKY_ERR_OPTION: the message names the option; `nodes` when there is none
 */
export function dynamicConfiguration (nodes: Iterable<{ url: string }>, options: TraefikOptions = {}): DynamicConfiguration {
  const settings = readTraefikOptions(options)
  const { names, priorities } = settings
  const urls = urlsByTag(nodes)
  const pool = `${names}-pool`
  const retry = `${names}-retry`
  const affinity = (tag: string) => `${names}-affinity-${tag}`
  const node = (tag: string) => `${names}-node-${tag}`

  const routers: Record<string, Router> = {
    [names]: router(settings, { rule: mcpRule(settings), priority: priorities.cookie, service: pool, retry })
  }
  const services: Record<string, Service> = {
    [pool]: { loadBalancer: sticky(loadBalancer([...urls.values()], READY, settings), settings.mcpPath) }
  }
  for (const [tag, url] of urls) {
    const rule = `${mcpRule(settings)} && HeaderRegexp(\`Mcp-Session-Id\`, \`^${tag}\\.\`)`
    routers[affinity(tag)] = router(settings, { rule, priority: priorities.node, service: affinity(tag), retry })
    services[affinity(tag)] = { failover: { service: node(tag), fallback: pool } }
    services[node(tag)] = { loadBalancer: loadBalancer([url], ALIVE, settings) }
  }
  routers[`${names}-guard`] = router(settings, { rule: `PathPrefix(\`${INTERNAL}/\`)`, priority: priorities.guard, service: 'noop@internal' })
  const transports = serversTransports(settings)
  return { http: { routers, services, middlewares: { [retry]: { retry: RETRY } }, ...(transports && { serversTransports: transports }) } }
}

function serversTransports (settings: TraefikSettings): Record<string, ServersTransport> | undefined {
  const { serversTransport } = settings
  if (typeof serversTransport !== 'object') return undefined
  return { [transportName(settings)!]: { ...serversTransport, forwardingTimeouts: FORWARDING } }
}

function transportName ({ names, serversTransport }: TraefikSettings): string | undefined {
  return typeof serversTransport === 'object' ? `${names}-nodes` : serversTransport
}

/** Sorted, so that the same members make the same bytes. */
function urlsByTag (nodes: Iterable<{ url: string }>): Map<string, string> {
  const urls = Array.from(nodes, ({ url }): [string, string] => [nodeTag({ id: '', url }), url])
  if (urls.length === 0) throw new OptionError('nodes', 'must have at least one: a document without nodes would take the routes away')
  return new Map(urls.sort(([a], [b]) => a < b ? -1 : 1))
}

/** PathPrefix(`/mcp`) alone would match /mcpfoo. */
function mcpRule ({ mcpPath, hostRule }: TraefikSettings): string {
  const path = mcpPath === '/' ? 'PathPrefix(`/`)' : `(Path(\`${mcpPath}\`) || PathPrefix(\`${mcpPath}/\`))`
  return hostRule === undefined ? path : `(${hostRule}) && ${path}`
}

function router ({ entryPoints, tls, middlewares }: TraefikSettings, { rule, priority, service, retry }: {
  rule: string
  priority: number
  service: string
  retry?: string
}): Router {
  return {
    ...(entryPoints !== undefined && { entryPoints }),
    rule,
    priority,
    service,
    ...(retry !== undefined && { middlewares: [...middlewares, retry] }),
    ...(tls !== undefined && { tls })
  }
}

function loadBalancer (urls: string[], path: string, settings: TraefikSettings): LoadBalancer {
  const { healthCheck: { interval, timeout } } = settings
  const serversTransport = transportName(settings)
  return {
    servers: urls.map(url => ({ url })),
    ...(serversTransport !== undefined && { serversTransport }),
    healthCheck: { path, interval: `${interval}ms`, timeout: `${timeout}ms` }
  }
}

function sticky (balancer: LoadBalancer, path: string): LoadBalancer {
  return { ...balancer, sticky: { cookie: { name: COOKIE, path, httpOnly: true, secure: true, sameSite: 'strict' } } }
}
