import t from 'tap'
import { attributeOf, metersOf } from '../../lib/otel/meters.ts'
import type { Series } from '../../lib/metrics/metric.ts'
import { Metrics } from '../fixtures/otel.ts'

const NODES = { name: 'a.nodes', kind: 'gauge', unit: '{node}', help: 'nodes', labels: ['state'] } as const
const LOST = { name: 'a.lost', kind: 'counter', unit: '{node}', help: 'lost', labels: [] } as const
const DURATION = { name: 'a.duration', kind: 'histogram', unit: 's', help: 'durations', labels: ['endpoint', 'error_type'] } as const

t.test('labels are attributes of the conventions, or ours', async t => {
  t.strictSame(['mcp_method_name', 'gen_ai_tool_name', 'mcp_protocol_version', 'error_type', 'rpc_response_status_code', 'endpoint'].map(attributeOf),
    ['mcp.method.name', 'gen_ai.tool.name', 'mcp.protocol.version', 'error.type', 'rpc.response.status_code', 'mcp.sticky.endpoint'])
})

t.test('what is read and what is measured is of its node, until it stops', async t => {
  const metrics = new Metrics()
  const meters = metersOf(metrics.provider, 'a')
  const now: Series = [[2, { state: 'up' }]]
  meters.read(NODES, async () => now)
  let reads = 0
  meters.read(LOST, () => {
    reads++
    return [[3]]
  })
  const measure = meters.measure(DURATION)
  measure(0.3, { endpoint: 'default' })
  measure(1, { endpoint: 'default', error_type: 'ended' })
  const node = { 'mcp.sticky.node': 'a' }
  t.same(await metrics.read(), [
    { name: 'a.nodes', attributes: { ...node, 'mcp.sticky.state': 'up' }, value: 2 },
    { name: 'a.lost', attributes: node, value: 3 },
    { name: 'a.duration', attributes: { ...node, 'mcp.sticky.endpoint': 'default' }, value: 1, sum: 0.3 },
    { name: 'a.duration', attributes: { ...node, 'mcp.sticky.endpoint': 'default', 'error.type': 'ended' }, value: 1, sum: 1 }
  ])
  t.equal(reads, 1)
  meters.stop()
  await metrics.read()
  t.equal(reads, 1)
})

t.test('two nodes of one process do not meet in a metric', async t => {
  const metrics = new Metrics()
  for (const [node, value] of [['a', 1], ['b', 2]] as const) metersOf(metrics.provider, node).read(LOST, () => [[value]])
  t.same((await metrics.read()).map(({ attributes, value }) => [attributes['mcp.sticky.node'], value]), [['a', 1], ['b', 2]])
})
