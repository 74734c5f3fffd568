/** Why the reaper ends a session: nobody has used it for `session.idleTimeout`, or at all within `session.firstUseTimeout`. */
export type Reaped = 'idle' | 'never_used'

/** Why a session ended. */
export type EndReason = Reaped
  /** DELETE, or `close` of this node. */
  | 'requested'
  /** A close that was asked for on another node. */
  | 'requested_elsewhere'
  /** The server object closed its connection. */
  | 'server_closed'
  /** The directory names another owner. */
  | 'taken'
  /** This node shut down. */
  | 'shutdown'
  /** Given up while this node drained, for others to adopt. */
  | 'handed_over'

/** Counts since the process started. */
export interface Counters {
  /** Sessions that clients have initialized here. */
  readonly opened: number
  /** Sessions taken over from nodes that were gone. */
  readonly adopted: number
  /** Requests of the era without sessions that were served here, whatever came of them. */
  readonly stateless: number
  /** Requests that another node has answered. */
  readonly forwarded: number
  /** Owners that were taken for gone though something that is no proof of them answered at their url. */
  readonly disbelieved: number
  /** By why they ended. */
  readonly ended: Readonly<Record<EndReason, number>>
  /** By `data.reason` of the answer: every reason that there is, see docs/errors.md. */
  readonly refused: Readonly<Record<string, number>>
}

/** How an endpoint and its node fare at this moment; `docs/metrics.md` says what is measured of it. */
export interface Readings {
  /** Open SSE streams of the endpoint's sessions, of all kinds. */
  readonly streams: number
  /** JSON-RPC requests that the endpoint is answering, with sessions and without; not those that another node answers. */
  readonly calls: number
  /** Of the node: its lease runs, so it need not ask before it serves its sessions. Always true without `orphan: 'adopt'`. */
  readonly leased: boolean
  /** Of the node: undefined where the directory is in memory. */
  readonly directory?: DirectoryReadings | undefined
}

/** How a directory that can be away fares. */
export interface DirectoryReadings {
  /** It answers, and takes what this node writes. */
  readonly up: boolean
  /** How often it has been lost since the process started. */
  readonly outages: number
  /** Look-ups of sessions of other nodes: by whether the owner was remembered (`hit`) or had to be read (`miss`). */
  readonly owners: Readonly<{ hit: number, miss: number }>
}

/** The counters as those see them who count. */
export type Counting<Names extends keyof Counters = keyof Counters> = { -readonly [Name in Names]: Counters[Name] extends number ? number : { -readonly [Key in keyof Counters[Name]]: number } }

/** All counters at zero. `reasons`: of refusals. */
export function newCounters (reasons: readonly string[] = []): Counting {
  return {
    opened: 0,
    adopted: 0,
    stateless: 0,
    forwarded: 0,
    disbelieved: 0,
    ended: { requested: 0, requested_elsewhere: 0, server_closed: 0, taken: 0, shutdown: 0, handed_over: 0, idle: 0, never_used: 0 },
    refused: Object.fromEntries(reasons.map(reason => [reason, 0]))
  }
}
