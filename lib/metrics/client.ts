import type { Registry } from 'prom-client'
import { peer } from './peer.ts'

export type PromClient = typeof import('prom-client')

/** What metrics are made with. */
export interface Maker {
  client: PromClient
  registry: Registry
}

/**
 * prom-client, which is installed by whoever wants metrics.
 * @throws PeerMissingError where it is not
 */
export function promClient (): Promise<PromClient> {
  return peer('fastify-mcp-sticky/metrics', 'prom-client', import('prom-client'))
}
