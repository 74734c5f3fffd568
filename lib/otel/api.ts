import { peer } from '../metrics/peer.ts'

export type Api = typeof import('@opentelemetry/api')

/**
 * @opentelemetry/api, which is installed by whoever wants spans and metrics of it.
 * @throws PeerMissingError where it is not
 */
export function openTelemetryApi (): Promise<Api> {
  return peer('fastify-mcp-sticky/otel', '@opentelemetry/api', import('@opentelemetry/api'))
}
