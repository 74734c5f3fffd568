import type { Counter, Histogram } from 'prom-client'
import { channelOf } from '../events/channels.ts'
import type { EventKind, OfNode, StickyEvent } from '../events/kinds.ts'
import type { Maker } from './client.ts'
import { Few } from './few.ts'

/** Seconds, by the conventions of OpenTelemetry for MCP. */
const BUCKETS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
/** Names of tools, of versions and error codes of which each has a label of its own. */
const TOOLS = 200
const VERSIONS = 20
const CODES = 50

type Done = StickyEvent<'request.done'>

/** What is measured as it happens: the events of one node, of all its endpoints. */
export class Told {
  readonly #node: string
  readonly #operations: Histogram
  readonly #sessions: Histogram
  readonly #adoptions: Histogram
  readonly #adopted: Counter
  /** Of each endpoint. Counted here: prom-client's own count would be another third of what a call costs. */
  readonly #served = new Map<string, { local: number, forwarded: number }>()
  readonly #tools = new Few(TOOLS)
  readonly #versions = new Few(VERSIONS)
  readonly #codes = new Few(CODES)
  readonly #ends: Array<() => void> = []

  /** `node`: its id. */
  constructor ({ client: { Counter, Histogram }, registry }: Maker, node: string) {
    const registers = [registry]
    this.#node = node
    this.#operations = new Histogram({
      name: 'mcp_server_operation_duration_seconds',
      help: 'JSON-RPC requests that were answered here, until their answer',
      labelNames: ['endpoint', 'mcp_method_name', 'gen_ai_tool_name', 'mcp_protocol_version', 'error_type', 'rpc_response_status_code'],
      buckets: BUCKETS,
      registers
    })
    this.#sessions = new Histogram({
      name: 'mcp_server_session_duration_seconds',
      help: 'Sessions that have ended here, since they were opened on whichever node',
      labelNames: ['endpoint'],
      buckets: BUCKETS,
      registers
    })
    this.#adoptions = new Histogram({
      name: 'mcp_sticky_adoption_duration_seconds',
      help: 'What it took to make the sessions that were taken over, or could not be',
      labelNames: ['endpoint'],
      buckets: BUCKETS,
      registers
    })
    this.#adopted = new Counter({
      name: 'mcp_sticky_adoptions_total',
      help: 'Attempts to take over a session whose node is gone',
      labelNames: ['endpoint', 'outcome'],
      registers
    })
    const served = this.#served
    const requests = new Counter({
      name: 'mcp_sticky_requests_total',
      help: 'JSON-RPC requests by who answered them: this node (local, also what another has passed on to it), or another for it (forwarded)',
      labelNames: ['endpoint', 'served'],
      registers,
      collect () {
        requests.reset()
        for (const [endpoint, counts] of served) {
          for (const [by, count] of Object.entries(counts)) requests.inc({ endpoint, served: by }, count)
        }
      }
    })
  }

  /** From now on. Series that there will be begin at 0, so that their first increase is seen. */
  listen (endpoints: readonly string[]): void {
    for (const endpoint of endpoints) {
      for (const outcome of ['adopted', 'failed']) this.#adopted.inc({ endpoint, outcome }, 0)
      this.#served.set(endpoint, { local: 0, forwarded: 0 })
    }
    this.#on('request.done', done => this.#done(done))
    this.#on('forward.done', ({ endpoint, method, outcome }) => {
      if (outcome === 'answered' && method !== undefined && !method.startsWith('notifications/')) this.#served.get(endpoint)!.forwarded++
    })
    this.#on('session.ended', ({ endpoint, reason, durationMs }) => {
      // It goes on where it was taken to.
      if (reason !== 'taken') this.#sessions.observe({ endpoint }, durationMs / 1000)
    })
    this.#on('session.adopted', event => this.#adoption('adopted', event))
    this.#on('session.adoption_failed', event => this.#adoption('failed', event))
  }

  stop (): void {
    for (const end of this.#ends.splice(0)) end()
  }

  #done ({ endpoint, method, tool, protocolVersion, outcome, errorCode, durationMs }: Done): void {
    this.#served.get(endpoint)!.local++
    const code = errorCode === undefined ? undefined : this.#codes.admit(String(errorCode))
    this.#operations.observe({
      endpoint,
      mcp_method_name: method,
      mcp_protocol_version: this.#versions.admit(protocolVersion),
      // Clients may ask for any name; one that has worked is a tool's.
      ...method === 'tools/call' && { gen_ai_tool_name: outcome === 'result' && tool !== undefined ? this.#tools.admit(tool) : this.#tools.known(tool) },
      ...outcome !== 'result' && { error_type: code ?? outcome },
      ...code !== undefined && { rpc_response_status_code: code }
    }, durationMs / 1000)
  }

  #adoption (outcome: 'adopted' | 'failed', { endpoint, durationMs }: { endpoint: string, durationMs: number }): void {
    this.#adopted.inc({ endpoint, outcome })
    this.#adoptions.observe({ endpoint }, durationMs / 1000)
  }

  /** Channels are of the process, in which there may be other nodes. */
  #on<Kind extends EventKind> (kind: Kind, listener: (event: StickyEvent<Kind>) => void): void {
    const channel = channelOf(kind)
    const ours = (message: unknown): void => {
      if ((message as OfNode).node === this.#node) listener(message as StickyEvent<Kind>)
    }
    channel.subscribe(ours)
    this.#ends.push(() => channel.unsubscribe(ours))
  }
}
