import type { Addressed, Incoming } from '../sessions/incoming.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { JsonRpcMessage } from '../transport/messages.ts'
import { eraOf } from '../stateless/envelope.ts'
import { MAX_DEPTH, tooDeep } from '../transport/nesting.ts'
import { parseMessages } from '../transport/parse.ts'
import { isAddressed, isWellFormed, mayServe } from './checks/admission.ts'
import { idOf, readJson } from './checks/body.ts'
import type { RouteContext } from './context.ts'
import { served } from './elsewhere.ts'
import { accepting, isJson } from './checks/headers.ts'
import { identified } from './checks/identity.ts'
import { scoped } from './checks/scopes.ts'
import { withoutSession } from './stateless.ts'
import { isInitialize, openSession } from './initialize.ts'
import { ReplyExchange } from './answers/reply-exchange.ts'

const ANSWER_TYPES = ['application/json', 'text/event-stream']
const acceptsAnswers = accepting(ANSWER_TYPES)

/** POST: requests, notifications and answers of the client (spec 2025-11-25, Sending Messages to the Server). */
export function postMessages (context: RouteContext, incoming: Incoming): void {
  const { refuse } = context
  const { request } = incoming
  if (!acceptsAnswers(request.headers.accept)) return refuse(incoming, 'not_acceptable', { detail: ANSWER_TYPES.join(' and ') })
  if (!isJson(request.headers['content-type'])) return refuse(incoming, 'unsupported_media_type')
  const body = readJson(context, request)
  if (body === undefined) return refuse(incoming, 'parse_error')
  if (tooDeep(body, (request.body as Buffer).length)) return refuse(incoming, 'invalid_request', { detail: `the message must not be nested more than ${MAX_DEPTH} levels deep`, id: idOf(body) })
  // The one place where the eras part: nothing has been asked of the session id.
  if (eraOf(body, incoming.version) === 'stateless') return withoutSession(context, incoming, body, () => inSession(context, incoming, body, true))
  inSession(context, incoming, body, false)
}

/** `stateless`: it is of the other era, which is not served. */
function inSession (context: RouteContext, incoming: Incoming, body: unknown, stateless: boolean): void {
  const { sessions, refuse } = context
  const parsed = parseMessages(body)
  if ('invalid' in parsed) return refuse(incoming, 'invalid_request', { detail: parsed.invalid, id: idOf(body) })
  const { messages, batch } = parsed
  incoming.message = messages[0]
  incoming.ids = messages.flatMap(message => idOf(message) ?? [])
  incoming.batch = batch
  if (!isWellFormed(context, incoming) || !mayServe(context, incoming)) return

  const initialize = messages.find(isInitialize)
  if (initialize !== undefined && batch) return refuse(incoming, 'batch_unsupported', { detail: 'initialize must not be part of a batch' })

  identified(context, incoming, () => {
    if (initialize !== undefined) {
      const session = typeof incoming.id === 'string' ? sessions.get(incoming.id) : undefined
      if (session !== undefined && session.principalKey === incoming.caller.key) return refuse(incoming, 'already_initialized', { id: incoming.requestId })
      return openSession(context, incoming, initialize)
    }
    if (stateless && incoming.id === null) return refuse(incoming, 'sessions_only', { id: incoming.requestId })
    if (isAddressed(context, incoming)) served(context, incoming, session => postToSession(context, incoming, session, messages))
  })
}

function postToSession (context: RouteContext, incoming: Addressed, session: LocalSession, messages: JsonRpcMessage[]): void {
  const { sessions, refuse, unsent } = context
  const { reply, batch, requestId } = incoming
  const { transport } = session
  if (batch && !transport.batches) {
    return refuse(incoming, 'batch_unsupported', { detail: `protocol version ${transport.protocolVersion} has no batches; send one message per POST` })
  }
  scoped(context, incoming, session, messages, post, () => served(context, incoming, now => now === session ? post() : postToSession(context, incoming, now, messages)))

  function post (): void {
    const taken = transport.idInUse(messages)
    if (taken !== undefined) return refuse(incoming, 'request_id_in_use', { id: requestId, detail: JSON.stringify(taken).slice(0, 64) })
    sessions.touch(session)
    transport.post(messages, batch, new ReplyExchange(reply, unsent), incoming.extra)
  }
}
