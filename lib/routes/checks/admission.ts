import type { Addressed, Incoming } from '../../sessions/incoming.ts'
import type { RouteContext } from '../context.ts'
import { RETRY_AFTER } from '../elsewhere.ts'

/** Whether a request names no session, or one that could be; it is refused if what it names is no id. */
export function isWellFormed ({ refuse }: RouteContext, incoming: Incoming): boolean {
  if (incoming.id !== undefined) return true
  refuse(incoming, 'session_malformed', { id: incoming.requestId })
  return false
}

/** Whether a request names a session; it is refused if it does not. */
export function isAddressed ({ refuse }: RouteContext, incoming: Incoming): incoming is Addressed {
  if (typeof incoming.id === 'string') return true
  refuse(incoming, 'session_required', { id: incoming.requestId })
  return false
}

/** Whether this node may serve anything at all; a request is refused if another process has its identity. */
export function mayServe ({ sessions, refuse }: RouteContext, incoming: Incoming): boolean {
  if (sessions.state !== 'superseded') return true
  refuse(incoming, 'node_superseded', { id: incoming.requestId, retryAfter: RETRY_AFTER })
  return false
}
