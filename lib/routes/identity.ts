import type { FastifyRequest } from 'fastify'
import { principalKey } from '../security/principal.ts'
import type { AuthInfo, Principal } from '../security/principal.ts'
import { isLegalSessionId } from '../session-id.ts'
import type { RouteContext } from './context.ts'
import { failed } from './failure.ts'
import type { Asked } from './failure.ts'

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
 * where its functions answer at once.
 */
export function identified (context: RouteContext, asked: Asked, then: (caller: Caller) => void): void {
  const { principal, authInfo } = context
  if (principal === undefined && authInfo === undefined) return goOn(context, asked, ANONYMOUS, then)
  let known: Caller | Promise<Caller>
  try {
    known = callerOf(context, asked.request)
  } catch (error) {
    return failed(context, asked, 'auth_failed', error)
  }
  if (!(known instanceof Promise)) return goOn(context, asked, known, then)
  known.then(caller => goOn(context, asked, caller, then)).catch(error => failed(context, asked, 'auth_failed', error))
}

/** Never throws. */
function goOn (context: RouteContext, asked: Asked, caller: Caller, then: (caller: Caller) => void): void {
  try {
    then(caller)
  } catch (error) {
    failed(context, asked, 'internal', error)
  }
}

/** Both functions are asked at once: neither's promise is left alone when the other throws. */
function callerOf ({ principal, authInfo }: RouteContext, request: FastifyRequest): Caller | Promise<Caller> {
  const who = principal?.(request)
  let auth: ReturnType<NonNullable<RouteContext['authInfo']>>
  try {
    auth = authInfo?.(request)
  } catch (error) {
    if (!isPromise(who)) throw error
    auth = Promise.reject(error)
  }
  if (!isPromise(who) && !isPromise(auth)) return caller(who, auth)
  return Promise.all([who, auth]).then(([who, auth]) => caller(who, auth))
}

function isPromise (value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
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
