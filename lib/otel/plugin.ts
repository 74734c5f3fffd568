import type { MeterProvider, TracerProvider } from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { AlreadyRegisteredError, OptionError } from '../errors.ts'
import { tracingOf } from '../events/tracing.ts'
import { read } from '../metrics/read.ts'
import { Told } from '../metrics/told.ts'
import { known } from '../option-checks.ts'
import { openTelemetryApi } from './api.ts'
import { metersOf } from './meters.ts'
import { tracerOf } from './tracer.ts'

/** Options of mcpStickyOtel. */
export interface McpStickyOtelOptions {
  /** Makes the spans. Default that of the api, `trace.getTracerProvider()`. */
  tracerProvider?: TracerProvider
  /** Makes the metrics. Default that of the api, `metrics.getMeterProvider()`, as it is when the plugin is registered. */
  meterProvider?: MeterProvider
}

async function plugin (app: FastifyInstance, options: McpStickyOtelOptions): Promise<void> {
  const { prefix: _prefix, logLevel: _level, logSerializers: _serializers, ...own } = options as McpStickyOtelOptions & { prefix?: unknown, logLevel?: unknown, logSerializers?: unknown }
  known('', own, ['tracerProvider', 'meterProvider'])
  if (own.tracerProvider !== undefined && typeof own.tracerProvider?.getTracer !== 'function') throw new OptionError('tracerProvider', 'must be a TracerProvider of OpenTelemetry')
  if (own.meterProvider !== undefined && typeof own.meterProvider?.getMeter !== 'function') throw new OptionError('meterProvider', 'must be a MeterProvider of OpenTelemetry')
  const api = await openTelemetryApi()
  const { tracerProvider = api.trace.getTracerProvider(), meterProvider = api.metrics.getMeterProvider() } = own
  const { mcpSessions } = app
  const { id } = mcpSessions.node

  const tracing = tracingOf(app.server)
  if (tracing.tracer !== undefined) throw new AlreadyRegisteredError('mcpStickyOtel is registered already on this application, and every span would be there twice')
  tracing.tracer = tracerOf(api, tracerProvider, id)
  const meters = metersOf(meterProvider, id)
  const told = new Told(meters, id)
  read(meters, mcpSessions)

  app.addHook('onReady', async () => told.listen(mcpSessions.endpoints))
  app.addHook('onClose', async () => {
    // What has begun still ends.
    tracing.tracer = undefined
    told.stop()
    meters.stop()
  })
}

/**
 * Spans and metrics by OpenTelemetry: `app.register(mcpStickyOtel)`, after mcpSticky,
 * of all endpoints of the application. `docs/opentelemetry.md` has the names. Needs
 * `@opentelemetry/api` 1.9 or newer, and an SDK of the application's that has been started.
 * @throws at register: MCP_STICKY_ERR_OPTION, the message names the option; MCP_STICKY_ERR_PEER_MISSING without
 * `@opentelemetry/api`; MCP_STICKY_ERR_ALREADY_REGISTERED for the second on one application.
 */
export const mcpStickyOtel = fp(plugin, {
  fastify: '5.x',
  name: 'fastify-mcp-sticky-otel',
  dependencies: ['fastify-mcp-sticky'],
  encapsulate: true
})
