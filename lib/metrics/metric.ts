/** What tells the values of one metric apart. */
export type Labels = Readonly<Record<string, string>>

/** The values of one metric. */
export type Series = Array<[value: number, labels?: Labels]>

/** A metric, however it is exported. */
export interface Metric {
  /** By the conventions of OpenTelemetry, `mcp.sticky.sessions` for example; see `prometheusName`. */
  readonly name: string
  readonly kind: 'gauge' | 'counter' | 'histogram'
  /** As OpenTelemetry writes units: `s`, or in braces what is counted. Of `1` Prometheus would make a ratio. */
  readonly unit: string
  readonly help: string
  /** As Prometheus writes them. */
  readonly labels: readonly string[]
}

/** To whom metrics are told: Prometheus, or OpenTelemetry. */
export interface Exporter {
  /** A gauge, or a counter of what is counted already: read whenever somebody asks. */
  read: (metric: Metric, series: () => Series | Promise<Series>) => void
  /** A histogram. What comes back takes each measurement, in seconds. */
  measure: (metric: Metric) => (seconds: number, labels: Labels) => void
}

/** Seconds, by the conventions of OpenTelemetry for MCP: the upper bounds of the buckets of every histogram. */
export const BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

/** What a metric is called in Prometheus, as OpenTelemetry's exporters for it would have it. */
export function prometheusName ({ name, kind, unit }: Pick<Metric, 'name' | 'kind' | 'unit'>): string {
  return `${name.replaceAll('.', '_')}${unit === 's' ? '_seconds' : ''}${kind === 'counter' ? '_total' : ''}`
}

/** The values of an object, each with its key as this label. */
export function by (label: string, values: Readonly<Record<string, number>>): Series {
  return Object.entries(values).map(([name, value]) => [value, { [label]: name }])
}
