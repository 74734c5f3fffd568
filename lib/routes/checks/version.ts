import type { Incoming } from '../../sessions/incoming.ts'
import type { LocalSession } from '../../sessions/session.ts'
import type { RouteContext } from '../context.ts'

/** Whether a request names no other version than its session's, for all verbs (spec 2025-11-25, Protocol Version Header); it is refused if it does. */
export function speaks ({ refuse }: RouteContext, incoming: Incoming, { transport }: LocalSession): boolean {
  if (transport.acceptsVersion(incoming.version)) return true
  refuse(incoming, 'unsupported_protocol_version', { id: incoming.requestId, detail: transport.acceptedVersions.join(', ') })
  return false
}
