import type { Location } from '../sessions/directory.ts'

/** What to do with a request for a session that is not local. */
export type Decision =
  | { do: 'refuse', reason: 'unknown' | 'misrouted' | 'orphaned', data?: { node: string } }

/**
 * Decides by where the session stands. Under the `reject` policies of ADR-0066
 * every request is refused, with a reason that tells a misroute, a lost owner
 * and an unknown session apart; another principal's session is unknown.
 */
export function decide (location: Location, principal: string | undefined): Decision {
  if (location.status === 'unknown' || location.record.principal !== principal) return { do: 'refuse', reason: 'unknown' }
  if (location.status === 'misrouted') return { do: 'refuse', reason: 'misrouted', data: { node: location.tag } }
  return { do: 'refuse', reason: 'orphaned' }
}
