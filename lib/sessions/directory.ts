/**
 * What the directory keeps about a session: that it exists, where, and whose
 * it is. Never transport state (ADR-0066).
 */
export interface SessionRecord {
  /** The session id, `<tag>.<128 random bits, base64url>`. */
  id: string
  /** Id of the node that owns the session. */
  node: string
  /** The owner's incarnation. Compared for equality only. */
  epoch: string
  /** Milliseconds since the Unix epoch. */
  createdAt: number
  /** Milliseconds since the Unix epoch, by the directory's own clock where it has one. */
  lastSeenAt: number
  /** The negotiated protocol version, `2025-11-25` for example. */
  protocolVersion: string
  clientInfo: { name: string, version: string }
  /** Key of the principal (see security/principal.ts), or undefined for an anonymous session. */
  principal?: string | undefined
}

/** The part of a record that its session knows; the directory adds node, epoch and times. */
export type NewRecord = Pick<SessionRecord, 'id' | 'createdAt' | 'protocolVersion' | 'clientInfo' | 'principal'>

/** This process, as the other nodes see it. */
export interface NodeIdentity {
  id: string
  /** First 16 hex digits of sha256(url, or id). */
  tag: string
  /** A random token for this incarnation. */
  epoch: string
  url?: string | undefined
}

/** A live node, as the directory knows it. */
export interface NodeStatus {
  id: string
  /** How the proxy and the other nodes reach it, if they can. */
  url?: string | undefined
  tag: string
  /** A draining node takes no new sessions. */
  state: 'up' | 'draining'
  /** Number of its sessions at its last beat. */
  sessions: number
}

/** Where an id that this process doesn't hold stands. */
export type Location =
  /** Recorded, and its owner is alive. `tag` and `url` are the owner's. */
  | { status: 'misrouted', record: SessionRecord, tag: string, url?: string | undefined }
  /** Recorded, but its owner is gone: no heartbeat, or another epoch under that node id. */
  | { status: 'orphaned', record: SessionRecord }
  | { status: 'unknown' }

/** What a directory asks of the node that uses it, and tells it. */
export interface DirectoryOwner {
  /** Number of local sessions. */
  readonly size: number
  /** What other nodes are told of this one. */
  readonly draining: boolean
  has: (id: string) => boolean
  /** The record of a local session, undefined when it is gone. */
  record: (id: string) => NewRecord | undefined
  /** Ids of all local sessions. */
  ids: () => Iterable<string>
  /**
   * A session must end here: somebody asked for it on another node (`closed`),
   * or the directory names another owner (`taken`). The record is not ours to
   * clean up. Must not throw.
   */
  end: (id: string, why: 'closed' | 'taken') => void
  /** Another process claimed this node's id: stop serving. Must not throw. */
  superseded: (by: { epoch: string }) => void
}

/** The principal that a removal was asked by: a key, `undefined` for anonymous, or `any` for the application itself. */
export type Remover = { principal: string | undefined } | 'any'

/**
 * The registry of session records that the nodes share.
 *
 * Nothing here fails a request for a local session: `add`, `touch`, `release`
 * remember what they could not do and do it when the directory is back. Only
 * `locate`, `remove` and `list` can throw DirectoryUnavailableError, and every
 * promise settles within a bound of the directory's own.
 */
export interface SessionDirectory {
  readonly kind: 'memory' | 'redis'

  /**
   * Claims the node's identity and starts its heartbeat. Resolves at once when
   * the directory can't be reached (the claim is made when it is back).
   * @throws NodeDuplicateError when a live node has the same id or url.
   */
  start: (owner: DirectoryOwner) => Promise<void>

  /**
   * Writes the record of a new local session. True: it is written. False: not
   * within the bound; it will be written when the directory is back, as long
   * as the session lives.
   */
  add: (record: NewRecord) => Promise<boolean>

  /**
   * The session was used. At most one write a minute and session comes of it,
   * index included; it renews the record's life (30 days by default).
   */
  touch: (id: string) => void

  /**
   * Clean-up that nobody asked for (idle, transport gone): deletes the record
   * if it still names this node and epoch. Eventually.
   */
  release: (id: string) => void

  /**
   * A close that somebody asked for: tells the owner through its close set,
   * then deletes the record, whoever owns it. `queued`: the directory can't be
   * reached, the removal (principal checked when applied) happens when it is
   * back. `unknown`: no record, or another principal's.
   * @throws DirectoryUnavailableError when the queue is full.
   */
  remove: (id: string, by: Remover) => Promise<'removed' | 'unknown' | 'queued'>

  /**
   * Where an id stands that is not local. Concurrent calls for an id share one
   * read, absence is cached for at most 1 s, and a flood of ids that don't
   * exist is cut off by a budget (then it throws).
   * @throws DirectoryUnavailableError
   */
  locate: (id: string) => Promise<Location>

  /**
   * One page of all nodes' sessions, by node id, oldest use first. A session
   * that is used while somebody pages may appear twice; none is left out.
   * @throws DirectoryUnavailableError, OptionError for a cursor that is not ours.
   */
  list: (page: { cursor?: string | undefined, limit: number }) => Promise<{ sessions: SessionRecord[], cursor?: string }>

  /**
   * The live nodes, this one included, sorted by id; at most one heartbeat old.
   * @throws DirectoryUnavailableError, also while a node may be missing because
   * the directory lost what it knew.
   */
  nodes: () => Promise<NodeStatus[]>

  /** Something about this node changed that the others should hear of before the next beat. */
  announce: () => void

  /**
   * Ends the heartbeat and deletes the records of these sessions (compare and
   * delete) and this node's own keys, in batches, within `bound` milliseconds.
   * Returns how many records it could not clean up.
   */
  stop: (ids: string[], bound: number) => Promise<number>
}
