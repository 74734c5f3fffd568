import type { Incoming } from '../../sessions/incoming.ts'
import type { LocalSession } from '../../sessions/session.ts'
import type { RouteContext } from '../context.ts'

/** Whether a request names no other version than its session's, for all verbs (spec 2025-11-25, Protocol Version Header); it is refused if it does. */
export function speaks ({ refuse }: RouteContext, { reply, version, requestId }: Incoming, { transport }: LocalSession): boolean {
  if (transport.acceptsVersion(version)) return true
  refuse(reply, 'unsupported_protocol_version', { id: requestId, detail: transport.acceptedVersions.join(', ') })
  return false
}
