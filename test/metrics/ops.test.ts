// What is in ops/ for Grafana and Prometheus asks for what a scrape has.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { mcpStickyMetrics } from '../../lib/metrics/index.ts'
import { startApp } from '../fixtures/app.ts'
import { read } from '../fixtures/documents.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import { promtool, scrape } from '../fixtures/scrape.ts'

interface Rule { alert: string, expr: string, labels: { severity: string } }
interface Trial { alertname: string, exp_alerts: unknown[] }
interface Panel { id: number, title: string, gridPos: { x: number, y: number, w: number, h: number }, targets?: Array<{ expr: string }> }

const ALERTS = 'ops/alerts.yml'
const TRIALS = 'test/metrics/alerts.yml'
const rules: Rule[] = parse(read(ALERTS)).groups.flatMap(({ rules }: { rules: Rule[] }) => rules)
const dashboard: { panels: Panel[], templating: { list: Array<{ query: string | { query: string } }> } } = JSON.parse(read('ops/grafana-dashboard.json'))
const queries = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })))
/** What a panel asks once Grafana has filled it in. */
const filled = (expr: string): string => expr.replaceAll('$job', '.*').replaceAll('$__rate_interval', '5m')

/** Labels that Prometheus adds to what it scrapes. */
const OF_PROMETHEUS = ['job', 'instance']

/** The labels that an expression selects, aggregates or matches by. */
function labelsIn (expr: string): string[] {
  const selected = [...expr.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label]) => label!)
  const grouped = [...expr.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, labels]) => labels!.split(',').map(label => label.trim()))
  return [...selected, ...grouped]
}

const metricsIn = (expr: string): string[] => [...expr.matchAll(/\bmcp_(?:server|sticky)_\w+/g)].map(([name]) => name)

t.test('every metric and label of dashboard and alerts is in a scrape', async t => {
  const { url } = await startApp(t, {}, { after: app => app.register(mcpStickyMetrics) })
  const id = await open(url)
  await inSession(url, id, call('count'))
  await inSession(url, id, { jsonrpc: '2.0', id: 3, method: 'resources/read', params: { uri: 'a:b' } })
  await send(url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
  const got = await scrape(url)
  const kinds = new Set([...got.names, ...got.names.filter(name => name.endsWith('_seconds')).flatMap(name => ['bucket', 'sum', 'count'].map(part => `${name}_${part}`))])
  const labels = new Set([...OF_PROMETHEUS, ...got.samples.flatMap(({ labels }) => Object.keys(labels))])
  const variables = dashboard.templating.list.map(({ query }) => typeof query === 'string' ? query : query.query)
  const asked = [...queries.map(({ expr }) => expr), ...rules.map(({ expr }) => expr), ...variables]
  t.ok(asked.flatMap(metricsIn).length > 30, 'they ask for metrics')
  t.strictSame(asked.flatMap(metricsIn).filter(name => !kinds.has(name)), [])
  t.strictSame(asked.flatMap(labelsIn).filter(label => !labels.has(label)), [])
  t.strictSame(got.names.filter(name => !asked.flatMap(metricsIn).some(asks => asks.startsWith(name))), [], 'and nothing is measured for nobody')
})

t.test('each alert fires when it should, and when it should not it does not', async t => {
  promtool(['check', 'rules', ALERTS])
  promtool(['test', 'rules', TRIALS])
  const trials: Trial[] = parse(read(TRIALS)).tests.flatMap((test: { alert_rule_test: Trial[] }) => test.alert_rule_test)
  for (const { alert } of rules) {
    const tried = trials.filter(({ alertname }) => alertname === alert)
    t.ok(tried.some(({ exp_alerts: expected }) => expected.length > 0), `${alert} is seen to fire`)
    t.ok(tried.some(({ exp_alerts: expected }) => expected.length === 0), `${alert} is seen not to`)
  }
})

t.test('Prometheus understands every query of the dashboard', async t => {
  t.ok(queries.length > 20, 'there are queries')
  const groups = [{ name: 'dashboard', rules: queries.map(({ title, expr }, i) => ({ record: `panel:${i}`, labels: { title }, expr: filled(expr) })) }]
  const folder = mkdtempSync(join(tmpdir(), 'mcp-sticky-rules-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  // JSON is YAML.
  writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups }))
  promtool(['check', 'rules', join(folder, 'rules.yml')])
  for (const { title, expr } of queries) t.match(expr, /job=~"\$job"/, `${title} asks the chosen clusters`)
})

t.test('the panels of the dashboard have places and ids of their own', async t => {
  const ids = dashboard.panels.map(({ id }) => id)
  t.equal(new Set(ids).size, ids.length)
  const covered = new Set<string>()
  for (const { title, gridPos: { x, y, w, h } } of dashboard.panels) {
    t.ok(x + w <= 24, title)
    for (let i = x; i < x + w; i++) {
      for (let j = y; j < y + h; j++) {
        if (covered.has(`${i},${j}`)) t.fail(`${title} lies on another panel`)
        covered.add(`${i},${j}`)
      }
    }
  }
})
