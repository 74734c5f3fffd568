import { maxHeaderSize } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Incoming } from '../../sessions/incoming.ts'

/**
 * What a node that forwards a request may add to it: names and values of its
 * own fields (some 250 bytes, and 330 for the span of a hop), and of those that the application's hooks made.
 */
const ADDED = { bytes: 1024, fields: 16 }
/** Fields that Node's servers take when nothing else is set; they drop the rest without a word. */
const FIELDS = 1000

interface FieldLimits {
  /** Characters of the target and of all names and values, as Node counts them. */
  bytes: number
  fields: number
}

/**
 * What a client may send so that the session's owner, whose server has the same
 * limits, still takes the request when another node has passed it on. The
 * owner itself takes no more either: a request has one answer on all nodes.
 */
export function fieldLimits (server: FastifyInstance['server']): FieldLimits {
  const { maxHeaderSize: bytes = maxHeaderSize, maxHeadersCount } = server as { maxHeaderSize?: number, maxHeadersCount?: number | null }
  const fields = typeof maxHeadersCount === 'number' ? maxHeadersCount || Infinity : FIELDS
  return { bytes: bytes - ADDED.bytes, fields: fields - ADDED.fields }
}

/** Whether a request that comes from its client is too large to be passed on. */
export function exceeds (limits: FieldLimits, { request, hop }: Pick<Incoming, 'request' | 'hop'>): boolean {
  const { rawHeaders } = request.raw
  if (rawHeaders.length / 2 > limits.fields) return !hop
  let bytes = request.originalUrl.length
  for (let i = 0; i < rawHeaders.length; i++) bytes += rawHeaders[i]!.length
  return bytes > limits.bytes && !hop
}
