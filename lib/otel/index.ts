/**
 * Spans and metrics by OpenTelemetry: docs/opentelemetry.md has all of them.
 * @module fastify-mcp-sticky/otel
 */
export { mcpStickyOtel, mcpStickyOtel as default } from './plugin.ts'
export type { McpStickyOtelOptions } from './plugin.ts'
