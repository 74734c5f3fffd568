import type { DirectoryReadings } from '../counters.ts'
import type { Look } from './look.ts'
import type { NodeStatus } from './node.ts'
import type { NewRecord, SessionRecord } from './record.ts'
import type { Remover } from './remover.ts'
import type { Peer, TagTable } from './tag-table.ts'
import type { Trails } from './trails.ts'

/** Where an id that this process doesn't hold stands. */
export type Location =
  /** Recorded, and its owner is alive. `tag` and `url` are the owner's. */
  | { status: 'misrouted', record: SessionRecord, tag: string, url?: string | undefined, format: number }
  /** Recorded, but its owner is gone (no heartbeat, another epoch under that node id, or its url is ours), or has given it up. */
  | { status: 'orphaned', record: SessionRecord }
  /** `ended`: its end was asked for here, so nobody need look any further. */
  | { status: 'unknown', ended?: true }

/** What a directory asks of the node that uses it, and tells it. */
export interface LocalNode {
  /** Number of local sessions. */
  readonly size: number
  /** What other nodes are told of this one. */
  readonly draining: boolean
  /** How many more sessions it takes; 0 while it drains. */
  readonly room: number
  /** How many of the local sessions have which tag. */
  readonly tagged: Record<string, number>
  /** Whether this node's lease runs; always true for a node that has none. */
  readonly leased: boolean
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
  /**
   * The record of a local session names this node and that epoch of its
   * incarnation: written, renewed or claimed just now. Must not throw.
   */
  kept: (id: string, epoch: string) => void
  /**
   * A beat is about to be sent: called before its epoch is read. Returns what
   * is to be called when the directory has acknowledged it; `gone`: this
   * node's place had vanished. Must not throw.
   */
  beating: () => (gone: boolean) => void
  /** Another process took this node's id: stop serving. Must not throw. */
  superseded: (by: { epoch: string }) => void
  /** An operator asks this node to leave in good order. Must not throw. */
  drainAsked: () => void
  /** An operator asks what this node sees of the others. Absent: it does not look. */
  look?: (() => Promise<Look>) | undefined
}

/**
 * The registry of session records that the nodes share.
 *
 * Nothing here fails a request for a local session: `add`, `touch`, `discard`
 * remember what they could not do and do it when the directory is back. Only
 * `locate`, `remove` and `list` can throw DirectoryUnavailableError, and every
 * promise settles within a bound of the directory's own.
 */
export interface SessionDirectory {
  /**
   * This node's writes are in doubt, or absence is no evidence: nobody can be
   * told that a session does not exist because it is not recorded. `locate`
   * throws then instead of finding it unknown, or orphaned.
   */
  readonly doubtful: boolean

  /** How it fares, for metrics. Undefined: it cannot be away. */
  readonly readings?: DirectoryReadings

  /**
   * Takes the node's identity and starts its heartbeat. Resolves at once when
   * the directory can't be reached (it is taken when it is back).
   * @throws NodeDuplicateError when a live node has the same id or url.
   */
  start: (local: LocalNode) => Promise<void>

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
   * What the record says of a local session changed (`local.record`): written
   * at once, then at most once a second. Coalesced; eventually.
   */
  changed: (id: string) => void

  /**
   * Makes sure that a local session is still ours after this node's lease
   * lapsed: beats first if the lease needs it, then moves the record from any
   * older epoch of this incarnation to the current one. `kept`: it is ours, and
   * `local.kept` was called. `lost`: another node has it, or a close was asked
   * for; `local.end` was called. `unanswered`: not within the bound (1 s).
   */
  reclaim: (id: string) => Promise<'kept' | 'lost' | 'unanswered'>

  /**
   * Whether `reclaim` would say `unanswered` for this id without asking: the
   * directory is known not to answer. False from its first answer on, before
   * whoever asked for that gets it. Costs no wait, timer or promise.
   */
  away: (id: string) => boolean

  /**
   * Takes an orphan over: compare-and-set from the record's node and epoch to
   * this node's, `released` cleared. `claimed`: `local.kept` was called before
   * this resolves, though the session is not local yet. `lost`: the record has
   * changed or is gone; locate again, fresh. A claim may be repeated, so one
   * node must not run two adoptions of an id at a time.
   * @throws DirectoryUnavailableError: whether it was claimed is unknown.
   */
  claim: (record: SessionRecord) => Promise<'claimed' | 'lost'>

  /** Puts a claimed record back as it was (if it is still ours) and counts a failed adoption, unless one was counted within the pause. Never throws. */
  unclaim: (record: SessionRecord) => Promise<void>

  /**
   * Gives local sessions up for others to adopt: writes what `changed` has
   * pending, then marks the records `released` (compare-and-set on our own).
   * Within `bound` milliseconds; never throws. A record that could not be
   * marked is orphaned when this node is gone.
   */
  giveUp: (ids: string[], bound: number) => Promise<void>

  /**
   * Clean-up after a session that has ended here: deletes the record if it
   * still names this node and incarnation. Eventually. `by`: it ended because
   * somebody asked for it, so others that have taken it over, or may hold it
   * as well, are told, as by `remove`. Without: nobody asked (idle, transport gone).
   */
  discard: (id: string, by?: Remover) => void

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
   * read, absence is cached for at most 1 s. `by`: who asks, a key of the
   * principal or an address; whoever asks for many ids that don't exist is
   * answered from the nodes' indexes alone, at no one else's cost. An owner that was found is
   * remembered (bounded), without a read, for as long as the latest look at
   * the nodes shows it up with that epoch; so is it while the directory can't
   * be reached. What is remembered leaves out `replay` and `state`. `fresh`:
   * forget what is remembered of this id, and that its owner lives, and read.
   * @throws DirectoryUnavailableError
   */
  locate: (id: string, how?: { fresh?: boolean, by?: string | undefined }) => Promise<Location>

  /**
   * Resolves once this owner (`record.node` at `record.epoch`) is known to be
   * gone or to have beaten since the call, or after `bound` milliseconds. All
   * who wait for one node share its reads. Never throws.
   */
  awaitBeat: (record: SessionRecord, bound: number) => Promise<void>

  /** The oldest format among the live nodes, as it is now: this node's where it stands alone, 0 where that cannot be told. Never rejects. */
  oldestFormat: () => Promise<number>

  /** Sessions of this node whose end was asked for elsewhere, and has not come yet; none where that cannot be told soon. Never rejects. */
  closing: () => Promise<string[]>

  /**
   * Whether a node that the latest look shows alive is so now, by its own place: it may have left in good order since.
   * @throws DirectoryUnavailableError
   */
  beats: (node: string) => Promise<boolean>

  /**
   * Who may hold a session of this tag, without a read: its live holder by the table of tags as it was read last, and
   * the node that was last seen alive, however long ago, of whose url the tag is. At most two, never this one.
   */
  lastSeen: (tag: string) => NodeStatus[]

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

  /**
   * The same with what matters to who names another holder of a tag. `loads`:
   * with what each has to do, which is a moment old; else that is left at nothing.
   * @throws DirectoryUnavailableError, as `nodes`.
   */
  peers: (loads?: boolean) => Promise<Peer[]>

  /** What became of sessions. */
  readonly trails: Trails

  /** Who holds which tag. */
  readonly tags: TagTable

  /** Goes up with what was heard of the nodes, and of the table of tags, and is the same for all who have heard the same: milliseconds, by the directory's own clock. */
  readonly stamp: number

  /** Something about this node changed that the others should hear of before the next beat. */
  announce: () => void

  /**
   * Ends the heartbeat and deletes the records of these sessions (compare and
   * delete), or gives them up with `giveUp`, and this node's own keys, in
   * batches, within `bound` milliseconds. Returns how many records it could not
   * clean up.
   */
  stop: (ids: string[], bound: number, how?: { giveUp?: boolean }) => Promise<number>
}
