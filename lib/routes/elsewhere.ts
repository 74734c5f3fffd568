import type { Found } from '../affinity/found.ts'
import type { Addressed, Incoming } from '../sessions/incoming.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { RouteContext } from './context.ts'
import { failed, httpError } from './answers/failure.ts'
import { speaks } from './checks/version.ts'

export { RETRY_AFTER } from '../affinity/found.ts'

/**
 * Serves a request from its local session, if there is one that is the
 * caller's and still this node's; else goes where the session is. The directory is asked for other
 * principals' sessions too, so that nothing tells them from unknown ones.
 */
export function served (context: RouteContext, incoming: Addressed, serve: (session: LocalSession) => void): void {
  const { sessions } = context
  const session = sessions.get(incoming.id)
  if (session === undefined || session.principalKey !== incoming.caller.key) return elsewhere()
  const secured = sessions.secured(session)
  if (secured === undefined) return here(session)
  secured.then(ours => ours ? here(session) : elsewhere()).catch(error => failed(context, incoming, 'internal', error))

  function here (session: LocalSession): void {
    if (speaks(context, incoming, session)) serve(session)
  }

  function elsewhere (): void {
    findElsewhere(context, incoming, here).catch(error => failed(context, incoming, 'internal', error))
  }
}

/** Has another node answer, adopts the session and serves, or refuses. */
async function findElsewhere (context: RouteContext, incoming: Addressed, serve: (session: LocalSession) => void): Promise<void> {
  const found = await context.affinity.find(incoming)
  if (found.do === 'serve') serve(found.session)
  else refuseFound(context, incoming, found)
}

/** The refusal of a session that is not here, or nothing where another node has answered. */
export function refuseFound ({ refuse }: RouteContext, incoming: Incoming, found: Found): void {
  if (found.do !== 'refuse') return
  const { reply, ids, batch } = incoming
  const { reason, data, retryAfter, log } = found
  const own = reason === 'adoption_failed' ? httpError(log?.['err']) : undefined
  if (own !== undefined) {
    // What the application's createServer or onAdopt tells its client.
    reply.send(own)
    return
  }
  // A call whose outcome nobody knows is answered as a call: sending it again is for its caller to decide.
  const answered = reason === 'owner_lost' && ids.length > 0
  refuse(incoming, reason, {
    ...(batch ? answered && { ids } : { id: ids[0] }),
    ...(answered ? { status: 200 } : { retryAfter }),
    data,
    detail: data?.node,
    log
  })
}
