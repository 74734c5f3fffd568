import t from 'tap'
import { by, prometheusName } from '../../lib/metrics/metric.ts'

t.test('names in Prometheus have the unit and, of counters, that they are one', async t => {
  for (const [name, kind, unit, told] of [
    ['mcp.sticky.sessions', 'gauge', '{session}', 'mcp_sticky_sessions'],
    ['mcp.sticky.sessions_opened', 'counter', '{session}', 'mcp_sticky_sessions_opened_total'],
    ['mcp.sticky.directory.up', 'gauge', '{directory}', 'mcp_sticky_directory_up'],
    ['mcp.server.operation.duration', 'histogram', 's', 'mcp_server_operation_duration_seconds']
  ] as const) t.equal(prometheusName({ name, kind, unit }), told)
})

t.test('counts become values with labels', async t => {
  t.strictSame(by('state', { up: 2, draining: 0 }), [[2, { state: 'up' }], [0, { state: 'draining' }]])
})
