import type { Incoming } from '../sessions/incoming.ts'
import type { LocalSession } from '../sessions/session.ts'
import type { JsonRpcMessage, RequestId } from '../transport/messages.ts'
import { MAX_DEPTH, tooDeep } from '../transport/nesting.ts'
import { parseMessages } from '../transport/parse.ts'
import { isAddressed, isWellFormed, mayServe } from './checks/admission.ts'
import { readJson } from './checks/body.ts'
import type { RouteContext } from './context.ts'
import { served } from './elsewhere.ts'
import { accepting, isJson } from './checks/headers.ts'
import { identified } from './checks/identity.ts'
import { isInitialize, openSession } from './initialize.ts'
import { ReplyExchange } from './answers/reply-exchange.ts'

const ANSWER_TYPES = ['application/json', 'text/event-stream']
const acceptsAnswers = accepting(ANSWER_TYPES)

/** POST: requests, notifications and answers of the client (spec 2025-11-25, Sending Messages to the Server). */
export function postMessages (context: RouteContext, incoming: Incoming): void {
  const { sessions, refuse } = context
  const { request, reply } = incoming
  if (!acceptsAnswers(request.headers.accept)) return refuse(reply, 'not_acceptable', { detail: ANSWER_TYPES.join(' and ') })
  if (!isJson(request.headers['content-type'])) return refuse(reply, 'unsupported_media_type')
  const body = readJson(context, request)
  if (body === undefined) return refuse(reply, 'parse_error')
  if (tooDeep(body, (request.body as Buffer).length)) return refuse(reply, 'invalid_request', { detail: `the message must not be nested more than ${MAX_DEPTH} levels deep`, id: idOf(body) })
  const parsed = parseMessages(body)
  if ('invalid' in parsed) return refuse(reply, 'invalid_request', { detail: parsed.invalid, id: idOf(body) })
  const { messages, batch } = parsed
  incoming.ids = messages.flatMap(message => idOf(message) ?? [])
  incoming.batch = batch
  if (!isWellFormed(context, incoming) || !mayServe(context, incoming)) return

  const initialize = messages.find(isInitialize)
  if (initialize !== undefined && batch) return refuse(reply, 'batch_unsupported', { detail: 'initialize must not be part of a batch' })

  identified(context, incoming, () => {
    if (initialize !== undefined) {
      const session = typeof incoming.id === 'string' ? sessions.get(incoming.id) : undefined
      if (session !== undefined && session.principalKey === incoming.caller.key) return refuse(reply, 'already_initialized', { id: incoming.requestId })
      return openSession(context, incoming, initialize)
    }
    if (isAddressed(context, incoming)) served(context, incoming, session => postToSession(context, incoming, session, messages))
  })
}

function postToSession ({ sessions, refuse, unsent }: RouteContext, incoming: Incoming, session: LocalSession, messages: JsonRpcMessage[]): void {
  const { reply, batch, requestId } = incoming
  const { transport } = session
  if (batch && !transport.batches) {
    return refuse(reply, 'batch_unsupported', { detail: `protocol version ${transport.protocolVersion} has no batches; send one message per POST` })
  }
  const taken = transport.idInUse(messages)
  if (taken !== undefined) return refuse(reply, 'request_id_in_use', { id: requestId, detail: JSON.stringify(taken).slice(0, 64) })
  sessions.touch(session)
  transport.post(messages, batch, new ReplyExchange(reply, unsent), incoming.extra)
}

/** The id to answer with, where a message is a request that has a usable one. */
function idOf (message: unknown): RequestId | undefined {
  if (typeof message !== 'object' || message === null || !('method' in message) || !('id' in message)) return undefined
  return typeof message.id === 'string' || Number.isSafeInteger(message.id) ? message.id as RequestId : undefined
}
