import { PrincipalError } from '../errors.ts'

/**
 * Who a session belongs to, as the application's auth says: the issuer and
 * subject of its token, or one string where a single issuer is all there is.
 */
export type Principal = string | { issuer: string, subject: string }

/**
 * The principal as one comparable string. Undefined for an anonymous caller.
 * @throws PrincipalError when it is neither a string nor issuer and subject.
 */
export function principalKey (principal: Principal | null | undefined): string | undefined {
  if (principal === undefined || principal === null) return undefined
  if (typeof principal === 'string') return JSON.stringify(['', principal])
  const { issuer, subject } = principal
  if (typeof issuer !== 'string' || typeof subject !== 'string') throw new PrincipalError()
  return JSON.stringify([issuer, subject])
}

/** What the SDK's handlers know of a token (AuthInfo of both SDK lines). */
export interface AuthInfo {
  token: string
  clientId: string
  scopes: string[]
  /** Seconds since the Unix epoch. */
  expiresAt?: number
  resource?: URL
  /** Where the protected resource is described (RFC 9728), for callers who lack a scope. */
  resourceMetadataUrl?: string
  extra?: Record<string, unknown>
}
