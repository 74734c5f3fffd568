import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LocalSession } from '../sessions/session.ts'
import { RETRY_AFTER, served } from './elsewhere.ts'
import { failed } from './failure.ts'
import type { Asked } from './failure.ts'
import { accepting } from './headers.ts'
import { identified, sessionIdOf } from './identity.ts'
import { ReplyExchange } from './reply-exchange.ts'
import type { RouteContext } from './context.ts'

const acceptsStream = accepting(['text/event-stream'])

/** GET: a standalone stream, or the rest of one that broke (spec 2025-11-25, Listening for Messages, Resumability). */
export function openStream (context: RouteContext, request: FastifyRequest, reply: FastifyReply): void {
  const { sessions, refuse } = context
  if (!acceptsStream(request.headers.accept)) return refuse(reply, 'not_acceptable', { detail: 'text/event-stream' })
  const id = sessionIdOf(request)
  if (id === undefined) return refuse(reply, 'session_malformed')
  if (id === null) return refuse(reply, 'session_required')
  if (sessions.state === 'superseded') return refuse(reply, 'node_superseded', { retryAfter: RETRY_AFTER })
  const asked = { request, reply, ids: [], batch: false }
  identified(context, asked, caller => {
    served(context, asked, id, caller, session => streamOf(context, asked, session))
  })
}

function streamOf (context: RouteContext, asked: Asked, session: LocalSession): void {
  const { sessions, refuse, resumable, unsent } = context
  const { request, reply } = asked
  const { transport } = session
  const version = request.headers['mcp-protocol-version'] as string | undefined
  if (!transport.acceptsVersion(version)) {
    return refuse(reply, 'unsupported_protocol_version', { detail: transport.acceptedVersions.join(', ') })
  }
  if (sessions.state === 'closing') return refuse(reply, 'node_closing', { retryAfter: RETRY_AFTER })
  sessions.touch(session)
  const lastEventId = request.headers['last-event-id']
  const exchange = new ReplyExchange(reply, unsent)
  if (!resumable || typeof lastEventId !== 'string' || lastEventId === '') return transport.get(exchange)
  transport.resume(lastEventId, exchange).then(outcome => {
    if (outcome === 'unknown') refuse(reply, 'event_unknown')
    else if (outcome === 'expired') refuse(reply, 'events_expired')
  }).catch(error => failed(context, asked, 'internal', error))
}
