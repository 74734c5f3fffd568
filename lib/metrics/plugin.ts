import type { FastifyInstance, FastifySchema } from 'fastify'
import fp from 'fastify-plugin'
import type { OpenMetricsContentType, Registry } from 'prom-client'
import { OptionError } from '../errors.ts'
import { opsListenerOf } from '../http/ops-listener.ts'
import { known, plainPath } from '../option-checks.ts'
import { promClient } from './client.ts'
import type { PromClient } from './client.ts'
import { prometheus } from './prometheus.ts'
import { read } from './read.ts'
import { Told } from './told.ts'

/** Options of mcpStickyMetrics. Fastify's own are taken too: `prefix`, `logLevel`. */
export interface McpStickyMetricsOptions {
  /** Where they are served, to GET alone: on the ops listener, where there is one (option `ops` of mcpSticky), else on the application. Default `/metrics`. False: nowhere, since something else serves `registry`. */
  path?: string | false
  /** A Registry of prom-client for them; what else is in it is served too. Default one of their own. It takes the metrics of one application. */
  registry?: Registry | Registry<OpenMetricsContentType>
  /** Fastify's own: put before `path`, on the application. */
  prefix?: string
}

async function plugin (app: FastifyInstance, options: McpStickyMetricsOptions): Promise<void> {
  const { prefix: _prefix, logLevel: _level, logSerializers: _serializers, ...own } = options as McpStickyMetricsOptions & { logLevel?: unknown, logSerializers?: unknown }
  known('', own, ['path', 'registry'])
  const { path = '/metrics' } = own
  if (path !== false) plainPath('path', path)
  const client = await promClient()
  const registry = registryOf(client, own.registry)
  if (path === false && own.registry === undefined) throw new OptionError('registry', 'is required with path: false, else nobody could read it')
  const { mcpSessions } = app

  const before = new Set(registry.getMetricsAsArray())
  const exporter = prometheus({ client, registry })
  const told = new Told(exporter, mcpSessions.node.id)
  read(exporter, mcpSessions)
  const ours = registry.getMetricsAsArray().filter(metric => !before.has(metric))

  app.addHook('onReady', async () => told.listen(mcpSessions.endpoints))
  app.addHook('onClose', async () => {
    told.stop()
    for (const { name } of ours) registry.removeSingleMetric(name)
  })
  if (path === false) return
  const ops = opsListenerOf(app)
  if (ops !== undefined) return ops.add(path, async () => ({ status: 200, headers: { 'content-type': registry.contentType }, body: await registry.metrics() }))
  app.get(path, { exposeHeadRoute: false, schema: { hide: true } as FastifySchema }, async (_request, reply) => {
    const { contentType } = registry
    return reply.type(contentType).send(await registry.metrics())
  })
}

/** @throws OptionError for what is none, and for one that has such metrics already */
function registryOf ({ Registry }: PromClient, given: McpStickyMetricsOptions['registry']): Registry {
  if (given === undefined) return new Registry()
  if (typeof given?.registerMetric !== 'function') throw new OptionError('registry', 'must be a Registry of prom-client')
  if (given.getSingleMetric('mcp_sticky_node_info') !== undefined) throw new OptionError('registry', 'has the metrics of another application, or of this one; each needs one of its own')
  return given as Registry
}

/**
 * Serves metrics for Prometheus: `app.register(mcpStickyMetrics)`, after mcpSticky, adds the
 * route `/metrics`, on the ops listener or behind the hooks that the application has by then, with
 * what all endpoints of the application do, and the node. `docs/metrics.md` has the names. Needs prom-client 15.
 * @throws at register: MCP_STICKY_ERR_OPTION, the message names the option; MCP_STICKY_ERR_PEER_MISSING without prom-client.
 */
export const mcpStickyMetrics = fp(plugin, {
  fastify: '5.x',
  name: 'fastify-mcp-sticky-metrics',
  dependencies: ['fastify-mcp-sticky'],
  encapsulate: true
})
