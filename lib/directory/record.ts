/**
 * What the directory keeps about a session: that it exists, where, and whose
 * it is. Never transport state (ADR-0066).
 */
export interface SessionRecord {
  /** The session id, `<tag>.<128 random bits, base64url>`. */
  id: string
  /** Id of the node that owns the session. */
  node: string
  /** The owner's epoch, `<incarnation>.<n>`. Compared for equality only. */
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
  /** The owner's url when it wrote the record: an adopter asks there first. */
  url?: string | undefined
  /** What its owner says of itself; undefined for one of format 0 (see format.ts). */
  owner?: OwnerFacts | undefined
  /** Its owner has given it up: whoever claims it has it, and nobody need be asked. */
  released?: boolean | undefined
  /**
   * Ids of the nodes that it was claimed from without their doing, latest
   * first: one that was only frozen may hold the session still, until it asks.
   */
  formerly?: string[] | undefined
  /** What an adopter replays. Undefined: not adoptable. */
  replay?: Replay | undefined
  /** The application's `session.state`, as JSON. */
  state?: string | undefined
  /** Adoptions of this session that failed since it last lived; several in one pause count once (see adoption-pauses.ts). */
  adoptionFailures: number
  /** The oldest format whose nodes may serve its session. Absent: 0. */
  reader?: number | undefined
  /** Milliseconds, from when this was read, for which no other adoption is to be tried. */
  adoptionPause?: number | undefined
}

/** What the owner of a record says of itself. */
export interface OwnerFacts {
  /** What it understands (see format.ts). */
  format: number
  /** It has reached itself at its url: if something else answers there now, the url has passed on. */
  reached: boolean
}

/** What a fresh MCP server is told so that it stands where the lost one stood. */
export interface Replay {
  /** The params of the client's initialize as JSON, without icons. At most 8 KiB. */
  initialize: string
  /** The level of logging/setLevel, if the client set one. */
  logLevel?: string | undefined
  /** Uris of resources/subscribe; at most 100. */
  subscriptions: string[]
}

/** The part of a record that its session knows; the directory adds node, epoch, url and times. */
export type NewRecord = Pick<SessionRecord, 'id' | 'createdAt' | 'protocolVersion' | 'clientInfo' | 'principal' | 'replay' | 'state'>
