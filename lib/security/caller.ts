import { DEFAULT_ENDPOINT, keyAt } from '../endpoint-name.ts'
import { principalKey } from './principal.ts'
import type { AuthInfo, Principal } from './principal.ts'

/** Who sent a request, as the application's auth says. */
export interface Caller {
  principal: Principal | undefined
  /** Endpoint and principal as one comparable string (see endpoint-name.ts); undefined for an anonymous caller of the default endpoint. */
  key: string | undefined
  authInfo: AuthInfo | undefined
}

export const ANONYMOUS: Caller = { principal: undefined, key: undefined, authInfo: undefined }

/** `endpoint`: the name of the one that was asked. */
export function callerOf (who: Principal | null | undefined, authInfo: AuthInfo | undefined, endpoint = DEFAULT_ENDPOINT): Caller {
  return { principal: who ?? undefined, key: keyAt(endpoint, principalKey(who)), authInfo }
}
