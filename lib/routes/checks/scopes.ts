import type { Incoming } from '../../sessions/incoming.ts'
import type { LocalSession } from '../../sessions/session.ts'
import type { JsonRpcMessage } from '../../transport/messages.ts'
import { failed } from '../answers/failure.ts'
import type { RouteContext } from '../context.ts'

/**
 * Goes on where the server of a session wants no more scopes of who sent these
 * messages than the token has. `again`: the same, when the server has taken its time to
 * say so, in which the session may have moved.
 */
export function scoped (context: RouteContext, incoming: Incoming, session: LocalSession, messages: JsonRpcMessage[], then: () => void, again: () => void): void {
  let lacking: string | undefined | Promise<string | undefined>
  try {
    lacking = session.transport.scopes.lacking(messages, incoming.caller.authInfo)
  } catch (error) {
    return failed(context, incoming, 'auth_failed', error)
  }
  if (!(lacking instanceof Promise)) return lacking === undefined ? then() : refuse(lacking)
  lacking.then(lacking => lacking === undefined ? again() : refuse(lacking), error => failed(context, incoming, 'auth_failed', error)).catch(error => failed(context, incoming, 'internal', error))

  function refuse (challenge: string): void {
    const { reply, batch, ids, requestId } = incoming
    reply.header('www-authenticate', challenge)
    context.refuse(incoming, 'scope_insufficient', batch ? { ids } : { id: requestId })
  }
}
