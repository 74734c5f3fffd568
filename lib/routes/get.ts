import type { Incoming } from '../sessions/incoming.ts'
import type { LocalSession } from '../sessions/session.ts'
import { isAddressed, isWellFormed, mayServe } from './checks/admission.ts'
import type { RouteContext } from './context.ts'
import { RETRY_AFTER, served } from './elsewhere.ts'
import { failed } from './answers/failure.ts'
import { accepting } from './checks/headers.ts'
import { identified } from './checks/identity.ts'
import { ReplyExchange } from './answers/reply-exchange.ts'

const acceptsStream = accepting(['text/event-stream'])

/** GET: a standalone stream, or the rest of one that broke (spec 2025-11-25, Listening for Messages, Resumability). */
export function openStream (context: RouteContext, incoming: Incoming): void {
  const { request } = incoming
  if (!acceptsStream(request.headers.accept)) return context.refuse(incoming, 'not_acceptable', { detail: 'text/event-stream' })
  if (!isWellFormed(context, incoming) || !isAddressed(context, incoming) || !mayServe(context, incoming)) return
  identified(context, incoming, () => served(context, incoming, session => streamOf(context, incoming, session)))
}

function streamOf (context: RouteContext, incoming: Incoming, session: LocalSession): void {
  const { sessions, refuse, resumable, unsent } = context
  const { request, reply } = incoming
  const { transport } = session
  if (sessions.state === 'closing') return refuse(incoming, 'node_closing', { retryAfter: RETRY_AFTER })
  sessions.touch(session)
  const lastEventId = request.headers['last-event-id']
  const exchange = new ReplyExchange(reply, unsent)
  if (!resumable || typeof lastEventId !== 'string' || lastEventId === '') return transport.get(exchange)
  transport.resume(lastEventId, exchange).then(outcome => {
    if (outcome === 'unknown') refuse(incoming, 'event_unknown')
    else if (outcome === 'expired') refuse(incoming, 'events_expired')
  }).catch(error => failed(context, incoming, 'internal', error))
}
