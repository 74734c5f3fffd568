import { FORMAT } from '../format.ts'
import { isAbandoned } from '../directory/adoption-pauses.ts'
import type { Location } from '../directory/directory.ts'
import type { SessionRecord } from '../directory/record.ts'

export interface Policies {
  misroute: 'forward' | 'reject'
  orphan: 'adopt' | 'reject'
}

/** Who asks, and how the request came. */
interface Asking {
  /** Key of the caller's principal. */
  principal: string | undefined
  /** Another node has forwarded the request already. */
  hop: boolean
}

/** What to do with a request for a session that is not local. */
export type Decision =
  /** `retryAfter` in seconds. */
  | { do: 'refuse', reason: 'unknown' | 'misrouted' | 'orphaned' | 'not_owner' | 'adoption_failed', data?: { node: string }, retryAfter?: number }
  | { do: 'forward', url: string, format: number, record: SessionRecord }
  | { do: 'adopt', record: SessionRecord }
  /** Nodes of a newer format alone may adopt it. */
  | { do: 'defer', record: SessionRecord, reader: number }

/**
 * Decides by where the session stands. Under the `reject` policies of ADR-0066
 * a request is refused, with a reason that tells a misroute, a lost owner and
 * an unknown session apart; another principal's session is unknown. What was
 * forwarded once is never forwarded again: the node that did it looks once more.
 */
export function decide (location: Location, { misroute, orphan }: Policies, { principal, hop }: Asking): Decision {
  if (location.status === 'unknown' || location.record.principal !== principal) return refusal('unknown')
  const { record } = location
  if (location.status === 'misrouted') {
    if (misroute === 'forward' && !hop && location.url !== undefined) return { do: 'forward', url: location.url, format: location.format, record }
    return refusal('misrouted', { node: location.tag })
  }
  const { reader = 0 } = record
  // What it says further is not for us to understand.
  if (orphan === 'adopt' && reader > FORMAT) return hop ? refusal('orphaned') : { do: 'defer', record, reader }
  if (orphan !== 'adopt' || record.replay === undefined || isAbandoned(record.adoptionFailures)) return refusal('orphaned')
  const pause = record.adoptionPause ?? 0
  if (pause > 0) return hop ? refusal('orphaned') : { do: 'refuse', reason: 'adoption_failed', retryAfter: Math.ceil(pause / 1000) }
  return { do: 'adopt', record }

  // One answer to all that was forwarded: whoever sends the header himself learns nothing.
  function refusal (reason: 'unknown' | 'misrouted' | 'orphaned', data?: { node: string }): Decision {
    if (hop) return { do: 'refuse', reason: 'not_owner' }
    return data === undefined ? { do: 'refuse', reason } : { do: 'refuse', reason, data }
  }
}
