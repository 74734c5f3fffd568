import type { Addressed, Incoming } from '../../sessions/incoming.ts'
import type { RouteContext } from '../context.ts'
import { RETRY_AFTER } from '../elsewhere.ts'

/** Whether a request names no session, or one that could be; it is refused if what it names is no id. */
export function isWellFormed ({ refuse }: RouteContext, { reply, id, requestId }: Incoming): boolean {
  if (id !== undefined) return true
  refuse(reply, 'session_malformed', { id: requestId })
  return false
}

/** Whether a request names a session; it is refused if it does not. */
export function isAddressed ({ refuse }: RouteContext, incoming: Incoming): incoming is Addressed {
  if (typeof incoming.id === 'string') return true
  refuse(incoming.reply, 'session_required', { id: incoming.requestId })
  return false
}

/** Whether this node may serve anything at all; a request is refused if another process has its identity. */
export function mayServe ({ sessions, refuse }: RouteContext, { reply, requestId }: Incoming): boolean {
  if (sessions.state !== 'superseded') return true
  refuse(reply, 'node_superseded', { id: requestId, retryAfter: RETRY_AFTER })
  return false
}
