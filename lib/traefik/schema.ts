// The part of Traefik's dynamic configuration that this package writes, in
// Traefik's own words: https://doc.traefik.io/traefik/reference/routing-configuration/

/** Dynamic configuration, as Traefik's HTTP provider takes it as JSON and its file provider as YAML. */
export interface DynamicConfiguration {
  http: {
    routers: Record<string, Router>
    services: Record<string, Service>
    middlewares: Record<string, Middleware>
    serversTransports?: Record<string, ServersTransport>
  }
}

/** Which requests go to which service. The higher `priority` is asked first. */
export interface Router {
  entryPoints?: string[]
  rule: string
  priority: number
  service: string
  middlewares?: string[]
  tls?: RouterTls
}

/** What Traefik takes at `tls` of a router; `{}` is its default certificate. */
export interface RouterTls {
  options?: string
  certResolver?: string
  domains?: Array<{ main: string, sans?: string[] }>
}

/** Where requests go: to nodes, or to one service and, while that is unhealthy, another. */
export type Service = { loadBalancer: LoadBalancer } | { failover: Failover }

/** Nodes that share requests. `interval` and `timeout` are durations as Traefik has them, `1000ms`. */
export interface LoadBalancer {
  servers: Array<{ url: string }>
  serversTransport?: string
  sticky?: { cookie: Cookie }
  healthCheck: { path: string, interval: string, timeout: string }
}

/** The cookie that keeps a client at its node (ADR-0066). */
export interface Cookie {
  name: string
  path: string
  httpOnly: boolean
  secure: boolean
  sameSite: 'strict' | 'lax' | 'none'
}

/** How Traefik talks to nodes with https. */
export interface ServersTransport extends NodeTls {
  forwardingTimeouts: { dialTimeout: string, responseHeaderTimeout: string, idleConnTimeout: string }
}

/** What makes a node's certificate good. */
export interface NodeTls {
  /** Who signs the nodes' certificates: paths of PEM files where Traefik runs, or their content. */
  rootCAs?: string[]
  /** The name that the certificates are for; else the host of `node.url`. */
  serverName?: string
  /** Takes any certificate: whoever stands between Traefik and the nodes reads and writes along. */
  insecureSkipVerify?: boolean
}

/** Requests go to `service` while it is healthy, else to `fallback`. */
export interface Failover {
  service: string
  fallback: string
}

/** What finds another node for a request that no node has begun to read. */
export interface Middleware {
  retry: { attempts: number, initialInterval: string, maxRequestBodyBytes: number, status: string[], retryNonIdempotentMethod: boolean }
}
