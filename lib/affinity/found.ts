import type { Location } from '../directory/directory.ts'
import type { LocalSession } from '../sessions/session.ts'

/** Seconds after which a client should try again where nobody knows better. */
export const RETRY_AFTER = 2

/** Why a request for a session that is not here is refused. */
export type AffinityRefusal =
  | 'unknown' | 'misrouted' | 'orphaned' | 'not_owner' | 'owner_unreachable' | 'owner_lost'
  | 'adoption_failed' | 'newer_format' | 'headers_too_large' | 'node_full' | 'node_closing' | 'directory_unavailable'

/** What came of looking for a session. */
export type Found =
  | { do: 'serve', session: LocalSession }
  /** Another node has answered. */
  | { do: 'nothing' }
  | { do: 'refuse', reason: AffinityRefusal, data?: { node: string }, retryAfter?: number, log?: Record<string, unknown> }

/** Nothing was answered: the session is not there any more, or its owner cannot be reached. */
export interface Undone { now: 'moved' | 'unreachable', error?: Error }

/** Id of the node that a record names. */
export function ownerOf (location: Location): string | undefined {
  return location.status === 'unknown' ? undefined : location.record.node
}

/** `owner` and `err` are for the log. */
export function refusal (reason: AffinityRefusal, { data, retryAfter, owner, err }: { data?: { node: string }, retryAfter?: number, owner?: string | undefined, err?: unknown } = {}): Found {
  const log = { ...(owner !== undefined && reason !== 'unknown' && { owner }), ...(err !== undefined && { err }) }
  return { do: 'refuse', reason, log, ...(data && { data }), ...(retryAfter !== undefined && { retryAfter }) }
}
