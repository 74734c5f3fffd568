/** The first revision whose clients understand events with empty data. */
const PRIMING = '2025-11-25'
const LAST_SESSIONFUL = '2025-11-25'

/** Revisions with sessions that the SDKs negotiate when nothing else is configured. */
export const SESSIONFUL_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07']

/** Leaves out what came after sessions: revisions are dates, so they compare as text. */
export function sessionfulOf (versions: readonly string[]): string[] {
  return versions.filter(version => version <= LAST_SESSIONFUL)
}

/** Whether clients of this revision can be given a priming event, and so resume a stream. */
export function understandsPriming (version: string | undefined): boolean {
  return version !== undefined && version >= PRIMING
}
