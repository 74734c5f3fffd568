import type { FastifyRequest } from 'fastify'
import { callerOf } from '../../security/caller.ts'
import type { Caller } from '../../security/caller.ts'
import type { Incoming } from '../../sessions/incoming.ts'
import type { RouteContext } from '../context.ts'
import { failed } from '../answers/failure.ts'

/**
 * Asks the application who sent the request, then goes on; without a wait
 * where its functions answer at once.
 */
export function identified (context: RouteContext, incoming: Incoming, then: () => void): void {
  const { principal, authInfo, anonymous } = context
  if (principal === undefined && authInfo === undefined) return goOn(context, incoming, anonymous, then)
  let known: Caller | Promise<Caller>
  try {
    known = ask(context, incoming.request)
  } catch (error) {
    return failed(context, incoming, 'auth_failed', error)
  }
  if (!(known instanceof Promise)) return goOn(context, incoming, known, then)
  known.then(caller => goOn(context, incoming, caller, then)).catch(error => failed(context, incoming, 'auth_failed', error))
}

/** Never throws. */
function goOn (context: RouteContext, incoming: Incoming, caller: Caller, then: () => void): void {
  incoming.caller = caller
  try {
    then()
  } catch (error) {
    failed(context, incoming, 'internal', error)
  }
}

/** Both functions are asked at once: neither's promise is left alone when the other throws. */
function ask ({ endpoint, principal, authInfo }: RouteContext, request: FastifyRequest): Caller | Promise<Caller> {
  const who = principal?.(request)
  let auth: ReturnType<NonNullable<RouteContext['authInfo']>>
  try {
    auth = authInfo?.(request)
  } catch (error) {
    if (!isPromise(who)) throw error
    auth = Promise.reject(error)
  }
  if (!isPromise(who) && !isPromise(auth)) return callerOf(who, auth, endpoint)
  return Promise.all([who, auth]).then(([who, auth]) => callerOf(who, auth, endpoint))
}

function isPromise (value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
