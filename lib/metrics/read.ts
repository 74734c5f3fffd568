import { FORMAT } from '../format.ts'
import type { Readings } from '../counters.ts'
import type { McpSessions } from '../sessions/mcp-sessions.ts'
import { version } from '../version.ts'
import { by } from './metric.ts'
import type { Exporter, Series } from './metric.ts'

/** The metrics that are read when somebody asks: from `app.mcpSessions` of each endpoint. `face`: of any of them. */
export function read (exporter: Exporter, face: McpSessions): void {
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

  const gauge = (name: string, unit: string, help: string, labels: string[], series: () => Series | Promise<Series>) => exporter.read({ name, kind: 'gauge', unit, help, labels }, series)
  const counter = (name: string, unit: string, help: string, labels: string[], series: () => Series) => exporter.read({ name, kind: 'counter', unit, help, labels }, series)

  gauge('mcp.sticky.sessions', '{session}', 'Sessions that live in this process', ['endpoint'], each(({ size }) => [[size]]))
  gauge('mcp.sticky.streams', '{stream}', 'Open SSE streams of the sessions of this process', ['endpoint'], each(face => [[readings(face).streams]]))
  gauge('mcp.sticky.calls_in_flight', '{call}', 'JSON-RPC requests that this process is answering, with sessions and without', ['endpoint'], each(face => [[readings(face).calls]]))
  counter('mcp.sticky.sessions_opened', '{session}', 'Sessions that clients have initialized here', ['endpoint'], each(({ counters }) => [[counters.opened]]))
  counter('mcp.sticky.sessions_ended', '{session}', 'Sessions that have left this process, by why', ['endpoint', 'reason'], each(({ counters }) => by('reason', counters.ended)))
  counter('mcp.sticky.refused', '{request}', 'Requests that were refused, by data.reason of the answer', ['endpoint', 'reason'], each(({ counters }) => by('reason', counters.refused)))
  counter('mcp.sticky.disbelieved', '{owner}', 'Owners that were taken for gone though something that is no proof of them answered at their url', ['endpoint'], each(({ counters }) => [[counters.disbelieved]]))

  gauge('mcp.sticky.directory.up', '{directory}', '1: the session directory answers, and takes what this node writes', [], () => [[Number(readings().directory?.up ?? true)]])
  counter('mcp.sticky.directory.outages', '{outage}', 'How often the session directory was lost', [], () => [[readings().directory?.outages ?? 0]])
  gauge('mcp.sticky.lease.lapsed', '{lease}', '1: the lease of this node has lapsed, so it asks the directory before it serves its sessions', [], () => [[Number(!readings().leased)]])
  gauge('mcp.sticky.nodes', '{node}', 'Live nodes of the cluster, as this one knows it; none while it cannot know', ['state'], () => nodes(face))
  gauge('mcp.sticky.node.info', '{node}', 'What this node is of: the version of fastify-mcp-sticky, and the format by which versions know each other', ['version', 'format'], () => [[1, info]])
  counter('mcp.sticky.owner_cache.requests', '{request}', 'Look-ups of sessions of other nodes, by whether the owner was remembered', ['result'], () => by('result', readings().directory?.owners ?? { hit: 0, miss: 0 }))
}

async function nodes (face: McpSessions): Promise<Series> {
  try {
    const count = { up: 0, draining: 0 }
    for (const { state } of await face.nodes()) count[state]++
    return by('state', count)
  } catch {
    // The directory is away, which another metric says.
    return []
  }
}
