import type { EventKind, StickyEvent } from '../events/kinds.ts'
import { onEventOf } from '../events/of-node.ts'
import { Few } from './few.ts'
import { by } from './metric.ts'
import type { Exporter, Labels, Series } from './metric.ts'

/** Names of tools, of versions and error codes of which each has a label of its own. */
const TOOLS = 200
const VERSIONS = 20
const CODES = 50

type Done = StickyEvent<'request.done'>

/** What is measured as it happens: the events of one node, of all its endpoints. */
export class Told {
  readonly #node: string
  readonly #operations: (seconds: number, labels: Labels) => void
  readonly #sessions: (seconds: number, labels: Labels) => void
  readonly #adoptions: (seconds: number, labels: Labels) => void
  readonly #held: (seconds: number, labels: Labels) => void
  /** Of each endpoint. Counted here: prom-client's own count would be another third of what a call costs. */
  readonly #served = new Map<string, { local: number, forwarded: number }>()
  readonly #adopted = new Map<string, { adopted: number, failed: number }>()
  readonly #tools = new Few(TOOLS)
  readonly #versions = new Few(VERSIONS)
  readonly #codes = new Few(CODES)
  readonly #ends: Array<() => void> = []

  /** `node`: its id. */
  constructor (exporter: Exporter, node: string) {
    this.#node = node
    this.#operations = exporter.measure({
      name: 'mcp.server.operation.duration',
      kind: 'histogram',
      unit: 's',
      help: 'JSON-RPC requests that were answered here, until their answer',
      labels: ['endpoint', 'mcp_method_name', 'gen_ai_tool_name', 'mcp_protocol_version', 'error_type', 'rpc_response_status_code']
    })
    this.#sessions = exporter.measure({
      name: 'mcp.server.session.duration',
      kind: 'histogram',
      unit: 's',
      help: 'Sessions that have ended here, since they were opened on whichever node',
      labels: ['endpoint']
    })
    this.#held = exporter.measure({
      name: 'mcp.sticky.held',
      kind: 'histogram',
      unit: 's',
      help: 'How long requests waited since the node of their session did not answer',
      labels: ['endpoint']
    })
    this.#adoptions = exporter.measure({
      name: 'mcp.sticky.adoption.duration',
      kind: 'histogram',
      unit: 's',
      help: 'What it took to make the sessions that were taken over, or could not be',
      labels: ['endpoint']
    })
    exporter.read({
      name: 'mcp.sticky.adoptions',
      kind: 'counter',
      unit: '{adoption}',
      help: 'Attempts to take over a session whose node is gone',
      labels: ['endpoint', 'outcome']
    }, () => ofEach(this.#adopted, 'outcome'))
    exporter.read({
      name: 'mcp.sticky.requests',
      kind: 'counter',
      unit: '{request}',
      help: 'JSON-RPC requests by who answered them: this node (local, also what another has passed on to it), or another for it (forwarded)',
      labels: ['endpoint', 'served']
    }, () => ofEach(this.#served, 'served'))
  }

  /** From now on. Series that there will be begin at 0, so that their first increase is seen. */
  listen (endpoints: readonly string[]): void {
    for (const endpoint of endpoints) {
      this.#adopted.set(endpoint, { adopted: 0, failed: 0 })
      this.#served.set(endpoint, { local: 0, forwarded: 0 })
    }
    this.#on('request.done', done => this.#done(done))
    this.#on('forward.done', ({ endpoint, method, outcome }) => {
      if (outcome === 'answered' && method !== undefined && !method.startsWith('notifications/')) this.#served.get(endpoint)!.forwarded++
    })
    this.#on('session.ended', ({ endpoint, reason, durationMs }) => {
      // It goes on where it was taken to.
      if (reason !== 'taken') this.#sessions(durationMs / 1000, { endpoint })
    })
    this.#on('request.held', ({ endpoint, durationMs }) => this.#held(durationMs / 1000, { endpoint }))
    this.#on('session.adopted', event => this.#adoption('adopted', event))
    this.#on('session.adoption_failed', event => this.#adoption('failed', event))
  }

  stop (): void {
    for (const end of this.#ends.splice(0)) end()
  }

  #done ({ endpoint, method, tool, protocolVersion, outcome, errorCode, durationMs }: Done): void {
    this.#served.get(endpoint)!.local++
    const code = errorCode === undefined ? undefined : this.#codes.admit(String(errorCode))
    this.#operations(durationMs / 1000, {
      endpoint,
      mcp_method_name: method,
      mcp_protocol_version: this.#versions.admit(protocolVersion),
      // Clients may ask for any name; one that has worked is a tool's.
      ...method === 'tools/call' && { gen_ai_tool_name: outcome === 'result' && tool !== undefined ? this.#tools.admit(tool) : this.#tools.known(tool) },
      ...outcome !== 'result' && { error_type: code ?? outcome },
      ...code !== undefined && { rpc_response_status_code: code }
    })
  }

  #adoption (outcome: 'adopted' | 'failed', { endpoint, durationMs }: { endpoint: string, durationMs: number }): void {
    this.#adopted.get(endpoint)![outcome]++
    this.#adoptions(durationMs / 1000, { endpoint })
  }

  #on<Kind extends EventKind> (kind: Kind, listener: (event: StickyEvent<Kind>) => void): void {
    this.#ends.push(onEventOf(this.#node, kind, listener))
  }
}

function ofEach (endpoints: ReadonlyMap<string, Readonly<Record<string, number>>>, label: string): Series {
  return [...endpoints].flatMap(([endpoint, counts]) => by(label, counts).map(([value, labels]): Series[number] => [value, { endpoint, ...labels }]))
}
