import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Set by the node that forwards a request, to its own tag. */
export const HOP = 'mcp-sticky-hop'

/** Carries the proof of an owner question, a hop, or an answer to one. */
export const PROOF = 'mcp-sticky-proof'

/** Fields that speak of one connection and not of the message (RFC 9110, section 7.6.1). */
const CONNECTION_FIELDS = [
  'connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings',
  'proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization', 'proxy-connection'
]
const NOT_ANSWERED = new Set([...CONNECTION_FIELDS, PROOF])
/** Host goes first, the body says its length itself, and `Expect` has had its answer. */
const NOT_ASKED = new Set([...CONNECTION_FIELDS, 'host', 'content-length', 'expect', HOP, PROOF])

/**
 * The header fields of a forwarded request, names and values in turn: those
 * that this node's application saw, so that its checks give the same answer on
 * the owner.
 *
 * X-Forwarded-For and -Proto pass as they came. The owner stands in this
 * node's place, one hop behind the proxy: with this node appended to the chain,
 * a `trustProxy` that counts hops would take the proxy for the client. A client
 * that came without a proxy is named there, lest the owner take this node for it.
 */
export function requestFields (request: FastifyRequest, tag: string): string[] {
  const { headers } = request
  const listed = listedIn(headers.connection)
  const fields = [HOP, tag, 'host', headers.host ?? headers[':authority'] as string | undefined ?? '']
  let forwardedFor = false
  let forwardedProto = false
  for (const name in headers) {
    const value = headers[name]
    // Pseudo fields of HTTP/2 begin with a colon.
    if (value === undefined || NOT_ASKED.has(name) || name.startsWith(':') || listed?.has(name)) continue
    if (name === 'x-forwarded-for') forwardedFor = true
    else if (name === 'x-forwarded-proto') forwardedProto = true
    if (typeof value === 'string') fields.push(name, value)
    else for (const one of value) fields.push(name, one)
  }
  if (!forwardedFor) fields.push('x-forwarded-for', request.ip)
  if (!forwardedProto) fields.push('x-forwarded-proto', request.protocol)
  return fields
}

/** The header fields of the owner's answer, on top of what this node's hooks (CORS, say) have set. */
export function answerFields (reply: FastifyReply, headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const fields = reply.getHeaders() as OutgoingHttpHeaders
  const listed = listedIn(headers.connection)
  for (const name in headers) {
    if (!NOT_ANSWERED.has(name) && !listed?.has(name)) fields[name] = headers[name]
  }
  return fields
}

/** The request target without scheme and host, where it has them (RFC 9112, section 3.2.2). */
export function pathOf (target: string): string {
  if (target.startsWith('/')) return target
  const path = /^[^/?#]+:\/\/[^/?#]*(.*)$/.exec(target)?.[1] ?? target
  return path.startsWith('/') ? path : `/${path}`
}

/** The fields that a Connection field lists: they end here too. */
function listedIn (connection: string | string[] | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  return new Set(String(connection).toLowerCase().split(',').map(name => name.trim()))
}
