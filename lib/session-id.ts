import { createHash, randomBytes } from 'node:crypto'

/** Tags that a node may have. */
export const MOST_TAGS = 64

const OURS = /^[0-9a-f]{16}\.[\w-]{22}$/
const LEGAL = /^[\x21-\x7e]+$/

/**
 * The tag of a node: the first 16 hex digits of sha256 over its url, or over
 * its id when it has no url. Traefik computes the same value for the cookie
 * of a server with that url.
 */
export function nodeTag (node: { id: string, url?: string | undefined }): string {
  return createHash('sha256').update(node.url ?? node.id).digest('hex').slice(0, 16)
}

/**
 * The tags of a node, so many: `nodeTag` first, then that of its url (or id)
 * with `#1`, `#2`, ... behind it. Sessions of one node that have several can
 * go to several nodes when it is gone.
 */
export function nodeTags (node: { id: string, url?: string | undefined }, count: number): string[] {
  const name = node.url ?? node.id
  return Array.from({ length: count }, (_, k) => nodeTag({ id: k === 0 ? name : `${name}#${k}` }))
}

/** Whether this can be a tag. */
export function isTag (tag: string): boolean {
  return /^[0-9a-f]{16}$/.test(tag)
}

/** A new session id: `<tag>.<128 random bits, base64url>`, 39 characters. */
export function newSessionId (tag: string): string {
  return `${tag}.${randomBytes(16).toString('base64url')}`
}

/** The tag that a session id carries, or undefined when no node of ours made the id. */
export function tagOf (sessionId: string): string | undefined {
  return OURS.test(sessionId) ? sessionId.slice(0, 16) : undefined
}

/**
 * Whether a header value can be a session id at all, of ours or of anybody's:
 * visible ASCII (spec 2025-11-25, Streamable HTTP, Session Management), of any
 * length. A header that was sent twice arrives joined by `, ` and is not.
 */
export function isLegalSessionId (value: string): boolean {
  return LEGAL.test(value)
}

/** What nodes call a session among themselves before the other side has proven anything: the id cannot be told from it. */
export function sessionDigest (sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('base64url').slice(0, 22)
}

/**
 * The public name of a session: 12 base64url characters of sha256 of its id.
 * The only form in logs, events, metrics and tools: a whole id is a credential.
 */
export function sessionName (sessionId: string): string {
  return sessionDigest(sessionId).slice(0, 12)
}
