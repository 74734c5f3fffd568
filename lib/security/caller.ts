import { principalKey } from './principal.ts'
import type { AuthInfo, Principal } from './principal.ts'

/** Who sent a request, as the application's auth says. */
export interface Caller {
  principal: Principal | undefined
  /** The principal as one comparable string; undefined for an anonymous caller. */
  key: string | undefined
  authInfo: AuthInfo | undefined
}

export const ANONYMOUS: Caller = { principal: undefined, key: undefined, authInfo: undefined }

export function callerOf (who: Principal | null | undefined, authInfo: AuthInfo | undefined): Caller {
  return { principal: who ?? undefined, key: principalKey(who), authInfo }
}
