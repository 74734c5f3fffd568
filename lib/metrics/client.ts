import type { Registry } from 'prom-client'
import { PeerMissingError } from '../errors.ts'

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
export async function promClient (): Promise<PromClient> {
  try {
    return await import('prom-client')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new PeerMissingError('fastify-mcp-sticky/metrics', 'prom-client', { cause })
  }
}
