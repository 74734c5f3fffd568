import { PeerMissingError } from '../errors.ts'

export type Api = typeof import('@opentelemetry/api')

/**
 * @opentelemetry/api, which is installed by whoever wants spans and metrics of it.
 * @throws PeerMissingError where it is not
 */
export async function openTelemetryApi (): Promise<Api> {
  try {
    return await import('@opentelemetry/api')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new PeerMissingError('fastify-mcp-sticky/otel', '@opentelemetry/api', { cause })
  }
}
