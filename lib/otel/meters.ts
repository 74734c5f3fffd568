import type { Attributes, MeterProvider, ObservableResult } from '@opentelemetry/api'
import { BUCKETS } from '../metrics/metric.ts'
import type { Exporter, Labels, Metric } from '../metrics/metric.ts'
import { version } from '../version.ts'

/** Those of MCP's conventions for OpenTelemetry; all others are ours. */
const CONVENTIONS = ['mcp.method.name', 'gen_ai.tool.name', 'mcp.protocol.version', 'error.type', 'rpc.response.status_code']

/** What a label is called as an attribute: `endpoint` is `mcp.sticky.endpoint`. */
export function attributeOf (label: string): string {
  return CONVENTIONS.find(name => name.replaceAll('.', '_') === label) ?? `mcp.sticky.${label}`
}

/** Metrics of a meter, each with the id of its node, since there may be more in one process. */
export interface Meters extends Exporter {
  /** Nothing is read any more. */
  stop: () => void
}

/** Metrics that OpenTelemetry's SDK reads when it exports. */
export function metersOf (provider: MeterProvider, node: string): Meters {
  const meter = provider.getMeter('fastify-mcp-sticky', version())
  const stops: Array<() => void> = []

  /** Makes attributes of labels. */
  function attributes ({ labels }: Metric): (labels: Labels) => Attributes {
    const names = labels.map(label => [label, attributeOf(label)] as const)
    return labels => {
      const attributes: Attributes = { 'mcp.sticky.node': node }
      for (const [label, name] of names) if (labels[label] !== undefined) attributes[name] = labels[label]
      return attributes
    }
  }

  return {
    read (metric, series) {
      const { name, help: description, unit } = metric
      const named = attributes(metric)
      const instrument = metric.kind === 'counter' ? meter.createObservableCounter(name, { description, unit }) : meter.createObservableGauge(name, { description, unit })
      async function observe (result: ObservableResult): Promise<void> {
        for (const [value, labels = {}] of await series()) result.observe(value, named(labels))
      }
      instrument.addCallback(observe)
      stops.push(() => instrument.removeCallback(observe))
    },

    measure (metric) {
      const { name, help: description, unit } = metric
      const named = attributes(metric)
      const histogram = meter.createHistogram(name, { description, unit, advice: { explicitBucketBoundaries: BUCKETS } })
      return (seconds, labels) => histogram.record(seconds, named(labels))
    },

    stop () {
      for (const stop of stops.splice(0)) stop()
    }
  }
}
