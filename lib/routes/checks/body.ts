import type { FastifyRequest } from 'fastify'
import type { RequestId } from '../../transport/messages.ts'
import type { RouteContext } from '../context.ts'
import type { Reason } from '../answers/refusal.ts'

/** The refusal that one of Fastify's own body errors becomes; undefined for any other error. */
export function bodyRefusal (error: unknown, bodyLimit: number): { reason: Reason, detail?: string } | undefined {
  switch ((error as { code?: unknown }).code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE': return { reason: 'body_too_large', detail: String(bodyLimit) }
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH': return { reason: 'body_incomplete' }
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE': return { reason: 'unsupported_media_type' }
    default: return undefined
  }
}

/** The body as the application's JSON rules read it (prototype poisoning included); undefined when they can't. */
export function readJson ({ parseJson }: RouteContext, request: FastifyRequest): unknown {
  const body = request.body as Buffer | undefined
  if (body === undefined || body.length === 0) return undefined
  let parsed: unknown
  parseJson(request, body.toString('utf8'), (error, value) => { parsed = error === null ? value : undefined })
  return parsed
}

/** The id to answer with, where a message is a request that has a usable one. */
export function idOf (message: unknown): RequestId | undefined {
  if (typeof message !== 'object' || message === null || !('method' in message) || !('id' in message)) return undefined
  return typeof message.id === 'string' || Number.isSafeInteger(message.id) ? message.id as RequestId : undefined
}
