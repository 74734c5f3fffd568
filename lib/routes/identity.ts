import type { FastifyReply, FastifyRequest } from 'fastify'
import { principalKey } from '../security/principal.ts'
import type { AuthInfo, Principal } from '../security/principal.ts'
import { isLegalSessionId } from '../session-id.ts'
import type { RouteContext } from './context.ts'

/** Who sent a request, as the application's auth says. */
export interface Caller {
  principal: Principal | undefined
  /** The principal as one comparable string; undefined for an anonymous caller. */
  key: string | undefined
  authInfo: AuthInfo | undefined
}

const ANONYMOUS: Caller = { principal: undefined, key: undefined, authInfo: undefined }

/**
 * Asks the application who sent the request, then goes on; without a wait
 * where its functions answer at once. Their errors are the application's and
 * go to its error handler.
 */
export function identified (
  { principal, authInfo }: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  then: (caller: Caller) => void
): void {
  if (principal === undefined && authInfo === undefined) return then(ANONYMOUS)
  const who = principal?.(request)
  const auth = authInfo?.(request)
  if (who instanceof Promise || auth instanceof Promise) {
    Promise.all([who, auth]).then(([who, auth]) => then(caller(who, auth))).catch(error => reply.send(error))
    return
  }
  then(caller(who, auth))
}

function caller (who: Principal | null | undefined, authInfo: AuthInfo | undefined): Caller {
  return { principal: who ?? undefined, key: principalKey(who), authInfo }
}

/** The session id that a request names. Null: none, or an empty field. Undefined: one that is no id, or two. */
export function sessionIdOf (request: FastifyRequest): string | null | undefined {
  const id = request.headers['mcp-session-id']
  if (id === undefined || id === '') return null
  return typeof id === 'string' && isLegalSessionId(id) ? id : undefined
}
