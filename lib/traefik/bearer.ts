import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * Whether an Authorization header carries the token (RFC 6750, section 2.1).
 * Hashes are compared, so that the time it takes tells neither the token nor
 * its length.
 */
export function bearerCheck (token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token)
  return authorization => {
    const sent = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
    return timingSafeEqual(digest(sent), expected)
  }
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
