import type { Outcome } from './kinds.ts'

/** Something that is under way and has a span. */
export interface Traced<End> {
  /** Runs what is done for it: spans that begin in there are its children. */
  run: <T>(work: () => T) => T
  /** It is over. To be called once. */
  end: (end: End) => void
}

/** How a call ended. */
export interface CallEnd {
  outcome: Outcome
  protocolVersion: string
  /** The JSON-RPC error, where `outcome` is `error`. */
  error?: { code: number, message?: string } | undefined
  /** `data.reason` of the refusal, where the call was refused after all. */
  refused?: string | undefined
}

/** A hop; `trace`: what the node there is told of its span. */
export interface TracedHop extends Traced<{ outcome: 'answered' | 'declined' | 'unreachable' | 'lost', error?: Error | undefined }> {
  readonly trace: string | undefined
}

/** What all spans say. `session`: its public name, where there is one. */
interface Of { endpoint: string, session?: string | undefined }

/** Makes spans of what a node does. None of it throws. */
export interface Tracer {
  /** A request of JSON-RPC is answered here. `passedOn`: what the node that has passed it on says of its span. */
  call: (call: Of & { request: object, passedOn: string | undefined }) => Traced<CallEnd>
  /** The node at the url `to` is given a message to answer. */
  hop: (hop: Of & { message: object | undefined, to: string }) => TracedHop
  /** A session is taken over from the node `from`, since a client has sent `message`. */
  adoption: (adoption: Of & { message: object | undefined, from: string }) => Traced<{ outcome: 'adopted' | 'failed' | 'changed', error?: Error | undefined }>
}

/** Who traces what an application does; nobody at first. */
export interface Tracing { tracer: Tracer | undefined }

/** By the server of the application, of which a process may have several. */
const tracings = new WeakMap<object, Tracing>()

/** The place of the one who traces an application with this server. */
export function tracingOf (server: object): Tracing {
  let tracing = tracings.get(server)
  if (tracing === undefined) tracings.set(server, tracing = { tracer: undefined })
  return tracing
}
