import type { Maker } from './client.ts'
import { BUCKETS, prometheusName } from './metric.ts'
import type { Exporter, Metric, Series } from './metric.ts'

/** Metrics in a registry of prom-client, where each scrape reads them. */
export function prometheus ({ client: { Counter, Gauge, Histogram }, registry }: Maker): Exporter {
  const common = (metric: Metric) => ({ name: prometheusName(metric), help: metric.help, labelNames: metric.labels, registers: [registry] })

  return {
    read (metric, series) {
      const set = metric.kind === 'counter' ? counter(metric) : gauge(metric)
      function collect (): void | Promise<void> {
        const found = series()
        return found instanceof Promise ? found.then(set) : set(found)
      }

      function gauge (metric: Metric): (series: Series) => void {
        const gauge = new Gauge({ ...common(metric), collect })
        return series => {
          gauge.reset()
          for (const [value, labels = {}] of series) gauge.set(labels, value)
        }
      }

      /** It has been counted already. */
      function counter (metric: Metric): (series: Series) => void {
        const counter = new Counter({ ...common(metric), collect })
        return series => {
          counter.reset()
          for (const [value, labels = {}] of series) counter.inc(labels, value)
        }
      }
    },

    measure (metric) {
      const histogram = new Histogram({ ...common(metric), buckets: BUCKETS })
      return (seconds, labels) => histogram.observe(labels, seconds)
    }
  }
}
