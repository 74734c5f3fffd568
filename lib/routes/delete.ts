import { DirectoryUnavailableError } from '../errors.ts'
import type { Addressed, Incoming } from '../sessions/incoming.ts'
import { isAddressed, isWellFormed } from './checks/admission.ts'
import type { RouteContext } from './context.ts'
import { speaks } from './checks/version.ts'
import { failed } from './answers/failure.ts'
import { identified } from './checks/identity.ts'

/**
 * DELETE: the client ends its session (spec 2025-11-25, Session Management),
 * on whichever node it arrives: Redis is cleaned though the session lives
 * elsewhere (ADR-0066).
 */
export function removeSession (context: RouteContext, incoming: Incoming): void {
  if (!isWellFormed(context, incoming) || !isAddressed(context, incoming)) return
  identified(context, incoming, () => {
    const session = context.sessions.get(incoming.id)
    if (session !== undefined && session.principalKey === incoming.caller.key && !speaks(context, incoming, session)) return
    remove(context, incoming).catch(error => failed(context, incoming, 'internal', error))
  })
}

/** The owner ends it where it can be reached; where not, the record goes, and the owner learns of it from its close set. */
async function remove ({ sessions, affinity, refuse }: RouteContext, incoming: Addressed): Promise<void> {
  const { id, reply, caller, hop } = incoming
  try {
    if (!sessions.has(id) && await affinity.forwardOnce(incoming)) return
    const outcome = await sessions.close(id, { principal: caller.key })
    if (outcome === 'unknown') return refuse(incoming, hop ? 'not_owner' : 'unknown')
    reply.code(outcome === 'queued' ? 202 : 200).send()
  } catch (error) {
    if (!(error instanceof DirectoryUnavailableError)) throw error
    refuse(incoming, 'directory_unavailable', { retryAfter: error.retryAfter, log: { err: error } })
  }
}
