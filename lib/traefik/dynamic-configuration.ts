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

/** Revisions without sessions: any node serves their calls, and no cookie is to pin their clients. */
const SESSIONLESS = '^(202[6-9]|20[3-9])'

/** As traefik.yml has them, which do not hold for a transport of its own. */
const FORWARDING = { dialTimeout: '2s', responseHeaderTimeout: '0s', idleConnTimeout: '60s' }

/** A node as Traefik reaches it, and the tags of the session ids that are led there. `draining`: nothing else is. */
export interface RoutedNode {
  url: string
  tags?: string[]
  draining?: boolean
  /** Paths at which calls without sessions are served; `true`: at all. */
  stateless?: boolean | string[]
  /** Of its endpoints, where nodes differ in them: nothing is led to a node for a path that others have and it has not. */
  paths?: string[] | undefined
}

/** One as it is routed to. */
interface ReachedNode { url: string, tags: string[], draining: boolean, stateless: boolean | string[], paths: string[] | undefined }
type Routes = Map<string, ReachedNode>

/** An endpoint in Traefik: its routers and services have names that begin with `names`. */
interface RoutedEndpoint { path: string, names: string, priorities: { cookie: number, stateless: number, node: number } }

/**
 * Traefik's dynamic configuration for these nodes (ADR-0066, and cookie-less
 * affinity by the tag in the session id, one router a node). The same nodes and options give the
 * same object, in whatever order the nodes come. A node that drains is not in the pool, unless all do: health
 * checks see that too, but with each new document Traefik takes every node for well until it has checked it again.
 *
 * There are no passive health checks: Traefik makes 502 and 500 of a client's
 * broken body too, so that one bad client could take every node out.
 *
 * Calls without sessions (spec 2026-07-28) go round the pool, without a cookie, where a node says that they are served.
 *
 * @param nodes by `url` as Traefik reaches them, exactly as in their option `node.url`; `tags` of ids that go there, by
 * default the first of its url
 * @throws MCP_STICKY_ERR_OPTION: the message names the option; `nodes` when there is none
 */
export function dynamicConfiguration (nodes: Iterable<RoutedNode>, options: TraefikOptions = {}): DynamicConfiguration {
  const settings = readTraefikOptions(options)
  const { names, priorities } = settings
  const routes = byTag(nodes)
  const retry = `${names}-retry`
  const routers: Record<string, Router> = {}
  const services: Record<string, Service> = {}
  for (const endpoint of endpointsOf(settings)) addEndpoint(routers, services, endpoint, reaching(routes, endpoint.path), settings, retry)
  routers[`${names}-guard`] = router(settings, { rule: `PathPrefix(\`${INTERNAL}/\`)`, priority: priorities.guard, service: 'noop@internal' })
  const transports = serversTransports(settings)
  return { http: { routers, services, middlewares: { [retry]: { retry: RETRY } }, ...(transports && { serversTransports: transports }) } }
}

/** In the order of the option. The longer a path, the higher its priorities, all of them above those of the shorter ones. */
function endpointsOf ({ mcpPaths, names, priorities }: TraefikSettings): RoutedEndpoint[] {
  const byLength = [...mcpPaths].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  return mcpPaths.map((path, i) => {
    const rank = byLength.indexOf(path)
    const { cookie, stateless, node } = priorities
    const above = node + 3 * rank
    return {
      path,
      names: i === 0 ? names : `${names}-${i + 1}`,
      priorities: rank === 0 ? { cookie, stateless, node } : { cookie: above - 2, stateless: above - 1, node: above }
    }
  })
}

/** The nodes that have a path; all of them where none says so, as behind a proxy that takes a part of it away. */
function reaching (routes: Routes, path: string): Routes {
  const reached = new Map([...routes].filter(([, { paths }]) => paths === undefined || paths.includes(path)))
  return reached.size === 0 ? routes : reached
}

function addEndpoint (routers: Record<string, Router>, services: Record<string, Service>, { path, names, priorities }: RoutedEndpoint, routes: Routes, settings: TraefikSettings, retry: string): void {
  const pool = `${names}-pool`
  const affinity = (tag: string) => `${names}-affinity-${tag}`
  const node = (tag: string) => `${names}-node-${tag}`
  routers[names] = router(settings, { rule: mcpRule(settings, path), priority: priorities.cookie, service: pool, retry })
  const balancer = loadBalancer(poolOf([...routes.values()]), READY, settings)
  services[pool] = { loadBalancer: sticky(balancer, path) }
  if ([...routes.values()].some(({ stateless }) => stateless === true || (stateless !== false && stateless.includes(path)))) {
    const any = `${names}-stateless`
    routers[any] = router(settings, { rule: `${mcpRule(settings, path)} && HeaderRegexp(\`MCP-Protocol-Version\`, \`${SESSIONLESS}\`)`, priority: priorities.stateless, service: any, retry })
    services[any] = { loadBalancer: balancer }
  }
  for (const [tag, { url, tags }] of routes) {
    if (tags.length === 0) continue
    const rule = `${mcpRule(settings, path)} && HeaderRegexp(\`Mcp-Session-Id\`, \`^${tags.length === 1 ? tags[0] : `(${tags.join('|')})`}\\.\`)`
    routers[affinity(tag)] = router(settings, { rule, priority: priorities.node, service: affinity(tag), retry })
    services[affinity(tag)] = { failover: { service: node(tag), fallback: pool } }
    services[node(tag)] = { loadBalancer: loadBalancer([url], ALIVE, settings) }
  }
}

function serversTransports (settings: TraefikSettings): Record<string, ServersTransport> | undefined {
  const { serversTransport } = settings
  if (typeof serversTransport !== 'object') return undefined
  return { [transportName(settings)!]: { ...serversTransport, forwardingTimeouts: FORWARDING } }
}

function transportName ({ names, serversTransport }: TraefikSettings): string | undefined {
  return typeof serversTransport === 'object' ? `${names}-nodes` : serversTransport
}

/** By the first tag of its url, which names it. Sorted, so that the same nodes with the same tags make the same bytes. */
function byTag (nodes: Iterable<RoutedNode>): Routes {
  const routes = Array.from(nodes, ({ url, tags, draining = false, stateless = false, paths }): [string, ReachedNode] => {
    const first = nodeTag({ id: '', url })
    return [first, { url, tags: [...new Set(tags ?? [first])].sort(), draining, stateless, paths }]
  })
  if (routes.length === 0) throw new OptionError('nodes', 'must have at least one: a document without nodes would take the routes away')
  for (const [, { tags }] of routes) for (const tag of tags) if (!/^[0-9a-f]{16}$/.test(tag)) throw new OptionError('nodes', `must have tags of 16 hex digits, and has ${JSON.stringify(tag)}`)
  return new Map(routes.sort(([a], [b]) => a < b ? -1 : 1))
}

function poolOf (nodes: ReachedNode[]): string[] {
  const staying = nodes.filter(({ draining }) => !draining)
  return (staying.length > 0 ? staying : nodes).map(({ url }) => url)
}

/** PathPrefix(`/mcp`) alone would match /mcpfoo. */
function mcpRule ({ hostRule }: TraefikSettings, mcpPath: string): string {
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
