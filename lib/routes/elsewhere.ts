import type { Found } from '../affinity/affinity.ts'
import type { LocalSession } from '../sessions/session.ts'
import { MessageExtra } from '../transport/extra.ts'
import type { RouteContext } from './context.ts'
import { failed, httpError } from './failure.ts'
import type { Asked } from './failure.ts'
import type { Caller } from './identity.ts'
import { ownerLost } from './refusal.ts'

export { RETRY_AFTER } from '../affinity/affinity.ts'

/**
 * Serves a request from its local session, if there is one that is the
 * caller's and still this node's; else goes where the session is. The directory is asked for other
 * principals' sessions too, so that nothing tells them from unknown ones.
 */
export function served (context: RouteContext, asked: Asked, id: string, caller: Caller, serve: (session: LocalSession) => void): void {
  const { sessions } = context
  const session = sessions.get(id)
  if (session === undefined || session.principalKey !== caller.key) return elsewhere()
  const secured = sessions.secured(session)
  if (secured === undefined) return serve(session)
  secured.then(ours => ours ? serve(session) : elsewhere()).catch(error => failed(context, asked, 'internal', error))

  function elsewhere (): void {
    findElsewhere(context, asked, id, caller, serve).catch(error => failed(context, asked, 'internal', error))
  }
}

/** Has another node answer, adopts the session and serves, or refuses. */
async function findElsewhere (context: RouteContext, asked: Asked, id: string, caller: Caller, serve: (session: LocalSession) => void): Promise<void> {
  const { request, reply, ids } = asked
  const found = await context.affinity.find({
    request,
    reply,
    id,
    principal: caller.principal,
    key: caller.key,
    extra: new MessageExtra(request, caller.authInfo),
    lastWords: () => ownerLost(ids)
  })
  if (found.do === 'serve') serve(found.session)
  else refuseFound(context, asked, found)
}

/** The refusal of a session that is not here, or nothing where another node has answered. */
export function refuseFound ({ refuse }: RouteContext, { reply, ids, batch }: Asked, found: Found): void {
  if (found.do !== 'refuse') return
  const { reason, data, retryAfter, log } = found
  const own = reason === 'adoption_failed' ? httpError(log?.['err']) : undefined
  if (own !== undefined) {
    // What the application's createServer or onAdopt tells its client.
    reply.send(own)
    return
  }
  // A call whose outcome nobody knows is answered as a call: sending it again is for its caller to decide.
  const answered = reason === 'owner_lost' && ids.length > 0
  refuse(reply, reason, {
    ...(batch ? answered && { ids } : { id: ids[0] }),
    ...(answered ? { status: 200 } : { retryAfter }),
    data,
    detail: data?.node,
    log
  })
}
