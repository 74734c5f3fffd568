/** The first revision whose clients understand events with empty data. */
const PRIMING = '2025-11-25'
const LAST_SESSIONFUL = '2025-11-25'
/** The only revision that has batches. */
const BATCHES = '2025-03-26'

/** Revisions with sessions that the SDKs negotiate when nothing else is configured. */
const SESSIONFUL_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07']

/** Leaves out what came after sessions: revisions are dates, so they compare as text. */
export function sessionfulOf (versions: readonly string[]): string[] {
  return versions.filter(version => version <= LAST_SESSIONFUL)
}

function understandsPriming (version: string | undefined): boolean {
  return version !== undefined && version >= PRIMING
}

/** The revisions that one session's server speaks, and the one it has agreed on with its client. */
export class SessionVersions {
  /** Values of the MCP-Protocol-Version header that the session takes. */
  accepted = SESSIONFUL_VERSIONS
  /** Undefined until initialize is answered. */
  negotiated: string | undefined

  /** The negotiated version; until there is one, the newest with sessions. */
  get current (): string { return this.negotiated ?? SESSIONFUL_VERSIONS[0]! }

  /** Whether several messages may come in one POST. */
  get batches (): boolean { return this.current === BATCHES }

  /** Whether its client can be given a priming event, and so resume a stream. */
  get priming (): boolean { return understandsPriming(this.negotiated) }

  /** Whether the session takes this MCP-Protocol-Version header; without one its own version holds. */
  accepts (header: string | undefined): boolean {
    return header === undefined || header === this.negotiated || this.accepted.includes(header)
  }
}
