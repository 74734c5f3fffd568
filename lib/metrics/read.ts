import { FORMAT } from '../format.ts'
import type { Readings } from '../counters.ts'
import type { McpSessions } from '../sessions/mcp-sessions.ts'
import { version } from '../version.ts'
import type { Maker } from './client.ts'

/** Values with the labels that tell them apart. */
type Series = Array<[value: number, labels?: Record<string, string>]>

/** Makes the metrics that are read when somebody asks: from `app.mcpSessions` of each endpoint. `face`: of any of them. */
export function read ({ client, registry }: Maker, face: McpSessions): void {
  const registers = [registry]
  const info = { version: version(), format: String(FORMAT) }
  /** Of each endpoint, which may become more until the application is ready. */
  const each = (of: (face: McpSessions) => Series) => (): Series => face.endpoints.flatMap(endpoint =>
    of(face.endpoint(endpoint)).map(([value, labels]): Series[number] => [value, { endpoint, ...labels }]))
  /** Taken once a scrape, in whose first turn every metric is asked: they look at all sessions. */
  const taken = new Map<McpSessions, Readings>()
  function readings (of = face): Readings {
    let now = taken.get(of)
    if (now === undefined) {
      taken.set(of, now = of.readings())
      queueMicrotask(() => taken.clear())
    }
    return now
  }
  const by = (label: string, values: Readonly<Record<string, number>>): Series => Object.entries(values).map(([name, value]) => [value, { [label]: name }])

  function gauge (name: string, help: string, labelNames: string[], series: () => Series | Promise<Series>): void {
    const gauge = new client.Gauge({ name, help, labelNames, registers, collect })
    function set (series: Series): void {
      gauge.reset()
      for (const [value, labels = {}] of series) gauge.set(labels, value)
    }
    function collect (): void | Promise<void> {
      const found = series()
      return found instanceof Promise ? found.then(set) : set(found)
    }
  }

  /** What is counted already. */
  function counter (name: string, help: string, labelNames: string[], series: () => Series): void {
    const counter = new client.Counter({ name, help, labelNames, registers, collect })
    function collect (): void {
      counter.reset()
      for (const [value, labels = {}] of series()) counter.inc(labels, value)
    }
  }

  gauge('mcp_sticky_sessions', 'Sessions that live in this process', ['endpoint'], each(({ size }) => [[size]]))
  gauge('mcp_sticky_streams', 'Open SSE streams of the sessions of this process', ['endpoint'], each(face => [[readings(face).streams]]))
  gauge('mcp_sticky_calls_in_flight', 'JSON-RPC requests that this process is answering, with sessions and without', ['endpoint'], each(face => [[readings(face).calls]]))
  counter('mcp_sticky_sessions_opened_total', 'Sessions that clients have initialized here', ['endpoint'], each(({ counters }) => [[counters.opened]]))
  counter('mcp_sticky_sessions_ended_total', 'Sessions that have left this process, by why', ['endpoint', 'reason'], each(({ counters }) => by('reason', counters.ended)))
  counter('mcp_sticky_refused_total', 'Requests that were refused, by data.reason of the answer', ['endpoint', 'reason'], each(({ counters }) => by('reason', counters.refused)))
  counter('mcp_sticky_disbelieved_total', 'Owners that were taken for gone though something that is no proof of them answered at their url', ['endpoint'], each(({ counters }) => [[counters.disbelieved]]))

  gauge('mcp_sticky_directory_up', '1: the session directory answers, and takes what this node writes', [], () => [[Number(readings().directory?.up ?? true)]])
  counter('mcp_sticky_directory_outages_total', 'How often the session directory was lost', [], () => [[readings().directory?.outages ?? 0]])
  gauge('mcp_sticky_lease_lapsed', '1: the lease of this node has lapsed, so it asks the directory before it serves its sessions', [], () => [[Number(!readings().leased)]])
  gauge('mcp_sticky_nodes', 'Live nodes of the cluster, as this one knows it; none while it cannot know', ['state'], () => nodes(face))
  gauge('mcp_sticky_node_info', 'What this node is of: the version of fastify-mcp-sticky, and the format by which versions know each other', ['version', 'format'], () => [[1, info]])
  counter('mcp_sticky_owner_cache_requests_total', 'Look-ups of sessions of other nodes, by whether the owner was remembered', ['result'], () => by('result', readings().directory?.owners ?? { hit: 0, miss: 0 }))
}

async function nodes (face: McpSessions): Promise<Series> {
  try {
    const count = { up: 0, draining: 0 }
    for (const { state } of await face.nodes()) count[state]++
    return Object.entries(count).map(([state, value]) => [value, { state }])
  } catch {
    // The directory is away, which another metric says.
    return []
  }
}
