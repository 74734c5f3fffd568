import type { FastifyBaseLogger } from 'fastify'
import { channelOf } from './channels.ts'
import { Flood } from './flood.ts'
import type { EventKind, Facts } from './kinds.ts'
import type { Tracing } from './tracing.ts'

type Log = Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>
export type Level = keyof Log

/** The lines that events leave in the log (docs/operations.md, The log). Those that are not here leave none. */
const LINES: { readonly [Kind in EventKind]?: readonly [Level, string] } = {
  'session.opened': ['info', 'mcp session opened'],
  'session.ended': ['info', 'mcp session ended'],
  'session.adopted': ['info', 'mcp session adopted'],
  'session.adoption_failed': ['error', 'an mcp session could not be adopted'],
  'session.handed_over': ['info', 'mcp session handed over'],
  'request.refused': ['info', 'mcp request refused'],
  'node.draining': ['info', 'mcp node is draining'],
  'node.drained': ['info', 'mcp node is drained']
}

/** How a line differs from the usual one of its event. */
interface Line {
  /** The logger of the request, where there is one. */
  log?: Log | undefined
  level?: Level | undefined
  text?: string | undefined
  /** Fields of the line that are not of the event: whole errors, say. */
  besides?: Record<string, unknown> | undefined
}

/** What happens in a node: for the log, and for whoever subscribes to the channels. */
export interface Events {
  /** Whether somebody subscribes to a kind: facts that cost something to gather are gathered only then. */
  heard: (kind: EventKind) => boolean
  emit: <Kind extends EventKind>(kind: Kind, facts: Facts<Kind>, line?: Line) => void
  /** Who makes spans of what happens. */
  readonly tracing: Readonly<Tracing>
}

/** The events of one node. `node`: its id. */
export class NodeEvents implements Events {
  readonly tracing: Readonly<Tracing>
  readonly #node: string
  readonly #log: Log
  readonly #flood = new Flood((kind, more) => this.#log.info({ event: 'request.refused', node: this.#node, reason: kind, more }, `mcp requests refused: ${more} more of one reason within a second; at level debug each has its line`))

  constructor ({ node, log, tracing = { tracer: undefined } }: { node: string, log: Log, tracing?: Tracing }) {
    this.tracing = tracing
    this.#node = node
    this.#log = log
  }

  heard (kind: EventKind): boolean {
    return channelOf(kind).hasSubscribers
  }

  emit<Kind extends EventKind> (kind: Kind, facts: Facts<Kind>, line: Line = {}): void {
    const event = { event: kind, node: this.#node, ...facts }
    this.#tell(event, line)
    const channel = channelOf(kind)
    if (channel.hasSubscribers) channel.publish(Object.freeze(event))
  }

  #tell (event: { event: EventKind, reason?: string }, { log = this.#log, level, text, besides }: Line): void {
    const line = LINES[event.event]
    if (line === undefined) return
    // Whoever sends what is refused can send a lot of it.
    const flooded = event.event === 'request.refused' && !this.#flood.admits(event.reason!)
    log[flooded ? 'debug' : level ?? line[0]](besides === undefined ? event : { ...event, ...besides }, text ?? line[1])
  }
}

/** Where nothing is to be told, as for parts that are tried alone. */
export const NO_EVENTS: Events = { heard: () => false, emit: () => {}, tracing: { tracer: undefined } }
