import * as client from 'prom-client'
import t from 'tap'
import type { Series } from '../../lib/metrics/metric.ts'
import { prometheus } from '../../lib/metrics/prometheus.ts'
import { Scrape } from '../fixtures/scrape.ts'

t.test('each scrape reads anew, and what is not there any more is gone', async t => {
  const registry = new client.Registry()
  const exporter = prometheus({ client, registry })
  let now: Series = [[2, { state: 'up' }], [1, { state: 'draining' }]]
  exporter.read({ name: 'a.nodes', kind: 'gauge', unit: '{node}', help: 'nodes', labels: ['state'] }, async () => now)
  exporter.read({ name: 'a.lost', kind: 'counter', unit: '{node}', help: 'lost', labels: ['state'] }, () => now)
  const samples = async () => new Scrape(await registry.metrics()).samples.map(({ name, labels, value }) => [name, labels['state'], value])
  t.strictSame(await samples(), [['a_nodes', 'up', 2], ['a_nodes', 'draining', 1], ['a_lost_total', 'up', 2], ['a_lost_total', 'draining', 1]])
  now = [[1, { state: 'up' }]]
  t.strictSame(await samples(), [['a_nodes', 'up', 1], ['a_lost_total', 'up', 1]])
})

t.test('what is measured is in the buckets of the conventions', async t => {
  const registry = new client.Registry()
  const measure = prometheus({ client, registry }).measure({ name: 'a.duration', kind: 'histogram', unit: 's', help: 'durations', labels: ['endpoint'] })
  measure(0.3, { endpoint: 'default' })
  const got = new Scrape(await registry.metrics())
  t.equal(got.value('a_duration_seconds_sum'), 0.3)
  t.equal(got.value('a_duration_seconds_bucket', { le: '0.2' }), 0)
  t.equal(got.value('a_duration_seconds_bucket', { le: '0.5' }), 1)
})
