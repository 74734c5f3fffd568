/**
 * Metrics for Prometheus, by prom-client: docs/metrics.md has all of them.
 * @module fastify-mcp-sticky/metrics
 */
export { mcpStickyMetrics, mcpStickyMetrics as default } from './plugin.ts'
export type { McpStickyMetricsOptions } from './plugin.ts'
