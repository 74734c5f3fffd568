import { createPublicKey } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'

type Jwk = JsonWebKey & { kid?: string }

/** Milliseconds. Whoever sends made-up tokens does not have us ask for keys all the time. */
const AGAIN = 30_000

/**
 * The keys of an issuer, as PEM, by their id: found by its metadata (RFC 8414),
 * remembered, and asked for once more when a token has a key that is new.
 */
export function keysOf (issuer: string): (kid: string | undefined) => Promise<string> {
  let keys: Promise<Map<string | undefined, string>> | undefined
  let asked = 0
  const known = (): NonNullable<typeof keys> => {
    if (keys !== undefined) return keys
    asked = performance.now()
    keys = fetchKeys(issuer)
    keys.catch(() => { keys = undefined })
    return keys
  }
  return async kid => {
    if (!(await known()).has(kid) && performance.now() - asked > AGAIN) keys = undefined
    const key = (await known()).get(kid)
    if (key === undefined) throw Object.assign(new Error('the token is signed with a key that its issuer does not have'), { statusCode: 401 })
    return key
  }
}

async function fetchKeys (issuer: string): Promise<Map<string | undefined, string>> {
  const { origin, pathname } = new URL(issuer)
  const metadata = await read<{ jwks_uri: string }>(`${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`)
  const { keys } = await read<{ keys: Jwk[] }>(metadata.jwks_uri)
  return new Map(keys.map(key => [key.kid, createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string]))
}

async function read<T> (url: string): Promise<T> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5000) })
  if (!answer.ok) throw new Error(`${url} was answered ${answer.status}`)
  return await answer.json() as T
}
