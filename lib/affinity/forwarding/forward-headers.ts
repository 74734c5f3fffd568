import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DEFAULT_ENDPOINT } from '../../endpoint-name.ts'
import { ENDPOINT, HOP, PROOF, TRACE } from '../../http/between-nodes.ts'

/** Fields that speak of one connection and not of the message (RFC 9110, section 7.6.1). */
const CONNECTION_FIELDS = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'proxy-connection']
const NOT_RELAYED = new Set([...CONNECTION_FIELDS, PROOF])
/**
 * Host goes first, `Expect` has had its answer, and the body says itself how
 * long it is. It has no coding either: a hook has undone that, or it would not
 * have been read as JSON here.
 */
const NOT_FORWARDED = new Set([...CONNECTION_FIELDS, 'host', 'content-length', 'content-encoding', 'expect', HOP, ENDPOINT, PROOF, TRACE])

const NAME = /^[\w!#$%&'*+.^`|~-]+$/
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/**
 * The header fields of a forwarded request, names and values in turn: those
 * that this node's application saw when its hooks had run, so that its checks
 * give the same answer on the owner. What a hook took away stays away; what it
 * put there and no field can carry, the owner's hook puts there again.
 *
 * What the client lists in `Connection` passes as well: for the client the
 * nodes are one server and this is no proxy, and the owner itself would heed
 * such a field. Without it the request could be another principal's there.
 *
 * X-Forwarded-For and -Proto pass as they came. The owner stands in this
 * node's place, one hop behind the proxy: with this node appended to the chain,
 * a `trustProxy` that counts hops would take the proxy for the client. A client
 * that came without a proxy is named there, lest the owner take this node for it.
 *
 * `trace`: what the owner is told of the span of this hop.
 */
export function requestFields (request: FastifyRequest, tag: string, { endpoint = DEFAULT_ENDPOINT, trace }: { endpoint?: string, trace?: string | undefined } = {}): string[] {
  const headers = request.headers as Record<string, unknown>
  const fields = [HOP, tag, 'host', String(headers['host'] ?? headers[':authority'] ?? '')]
  // A node of before there were names knows no other.
  if (endpoint !== DEFAULT_ENDPOINT) fields.push(ENDPOINT, endpoint)
  if (trace !== undefined) fields.push(TRACE, trace)
  let forwardedFor = false
  let forwardedProto = false
  for (const key in headers) {
    const value = headers[key]
    const name = key.toLowerCase()
    // The pseudo fields of HTTP/2 have no such name.
    if (value === undefined || value === null || NOT_FORWARDED.has(name) || !NAME.test(name)) continue
    if (name === 'x-forwarded-for') forwardedFor = true
    else if (name === 'x-forwarded-proto') forwardedProto = true
    if (Array.isArray(value)) for (const one of value) put(fields, name, one)
    else put(fields, name, value)
  }
  if (!forwardedFor) fields.push('x-forwarded-for', request.ip)
  if (!forwardedProto) fields.push('x-forwarded-proto', request.protocol)
  return fields
}

function put (fields: string[], name: string, value: unknown): void {
  const text = typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
  if (text !== undefined && !NO_VALUE.test(text)) fields.push(name, text)
}

/** The header fields of the owner's answer, on top of what this node's hooks (CORS, say) have set. */
export function answerFields (reply: FastifyReply, headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const fields = reply.getHeaders() as OutgoingHttpHeaders
  const listed = listedIn(headers.connection)
  for (const name in headers) {
    if (!NOT_RELAYED.has(name) && !listed?.has(name)) fields[name] = headers[name]
  }
  return fields
}

/** The request target without scheme and host, where it has them (RFC 9112, section 3.2.2). */
export function targetOf (target: string): string {
  if (target.startsWith('/')) return target
  const path = /^[^/?#]+:\/\/[^/?#]*(.*)$/.exec(target)?.[1] ?? target
  return path.startsWith('/') ? path : `/${path}`
}

/** The fields that a Connection field of the owner's answer lists: they end here too. */
function listedIn (connection: string | string[] | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  return new Set(String(connection).toLowerCase().split(',').map(name => name.trim()))
}
