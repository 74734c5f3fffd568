/**
 * Traefik's configuration from the live nodes: over HTTP, as a file, or as an
 * object. docs/traefik.md says which is for whom.
 * @module fastify-mcp-sticky/traefik
 */
export { mcpStickyTraefik, mcpStickyTraefik as default } from './http-provider.ts'
export type { TraefikHttpOptions } from './http-provider.ts'
export { mcpStickyTraefikFile } from './file-publisher.ts'
export type { TraefikFileOptions } from './file-publisher.ts'
export { dynamicConfiguration } from './dynamic-configuration.ts'
export type { RoutedNode } from './dynamic-configuration.ts'
export type { TraefikOptions } from './options.ts'
export type {
  Cookie, DynamicConfiguration, Failover, LoadBalancer, Middleware, NodeTls, Router, RouterTls, ServersTransport, Service
} from './schema.ts'
