/**
 * One application may have several endpoints, each with a name. A session
 * belongs to one: whom it answers to is one comparable string, the key, which
 * says endpoint and principal both. So whatever compares keys, and every way
 * to a session does, keeps the endpoints apart, on nodes too that know of none:
 * they find a key that is nobody's whom they can have as a caller.
 */

/** The name of the endpoint that has none. Records of before there were names are its. */
export const DEFAULT_ENDPOINT = 'default'

/** Characters of a name at most. */
const LONGEST = 32

/** Whether this can be the name of an endpoint. */
export function isEndpointName (name: unknown): name is string {
  return typeof name === 'string' && name.length <= LONGEST && /^[a-z0-9-]+$/.test(name)
}

/**
 * The key of a caller at an endpoint. `principal`: `["issuer","subject"]`, undefined for an anonymous one. At the default
 * endpoint it is just that, as it was before there were others; elsewhere `["name","issuer","subject"]`, or `["name"]`.
 */
export function keyAt (endpoint: string, principal: string | undefined): string | undefined {
  if (endpoint === DEFAULT_ENDPOINT) return principal
  return principal === undefined ? JSON.stringify([endpoint]) : `[${JSON.stringify(endpoint)},${principal.slice(1)}`
}

/** The name of the endpoint to which a key belongs. */
export function endpointOf (key: string | undefined): string {
  const parts = partsOf(key)
  return parts.length === 1 || parts.length === 3 ? parts[0]! : DEFAULT_ENDPOINT
}

/** Whether a key is that of anonymous callers. */
export function isAnonymous (key: string | undefined): boolean {
  return key === undefined || partsOf(key).length === 1
}

/** Others may have written it: what is no key of ours has no parts. */
function partsOf (key: string | undefined): string[] {
  if (key === undefined || !key.startsWith('["')) return []
  try {
    const parts = JSON.parse(key) as unknown
    return Array.isArray(parts) && parts.every(part => typeof part === 'string') ? parts : []
  } catch {
    return []
  }
}
