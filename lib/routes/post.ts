import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LocalSession } from '../sessions/session.ts'
import { MessageExtra } from '../transport/extra.ts'
import { initializeProblem, parseMessages } from '../transport/parse.ts'
import type { JsonRpcMessage, JsonRpcRequest, RequestId } from '../transport/messages.ts'
import { readJson } from './body.ts'
import { answerElsewhere, RETRY_AFTER } from './elsewhere.ts'
import { accepting, isJson } from './headers.ts'
import { identified, sessionIdOf } from './identity.ts'
import type { Caller } from './identity.ts'
import { ReplyExchange } from './reply-exchange.ts'
import type { RouteContext } from './context.ts'

const ANSWER_TYPES = ['application/json', 'text/event-stream']
const acceptsAnswers = accepting(ANSWER_TYPES)

/** POST: requests, notifications and answers of the client (spec 2025-11-25, Sending Messages to the Server). */
export function postMessages (context: RouteContext, request: FastifyRequest, reply: FastifyReply): void {
  const { sessions, refuse } = context
  if (!acceptsAnswers(request.headers.accept)) return refuse(reply, 'not_acceptable', { detail: ANSWER_TYPES.join(' and ') })
  if (!isJson(request.headers['content-type'])) return refuse(reply, 'unsupported_media_type')
  const body = readJson(context, request)
  if (body === undefined) return refuse(reply, 'parse_error')
  const parsed = parseMessages(body)
  if ('invalid' in parsed) return refuse(reply, 'invalid_request', { detail: parsed.invalid, id: idOf(body) })
  const { messages, batch } = parsed
  const id = sessionIdOf(request)
  const requestId = batch ? undefined : idOf(messages[0]!)
  if (id === undefined) return refuse(reply, 'session_malformed', { id: requestId })
  if (sessions.state === 'superseded') return refuse(reply, 'node_superseded', { id: requestId, retryAfter: RETRY_AFTER })

  const initialize = messages.find(isInitialize)
  if (initialize !== undefined && batch) return refuse(reply, 'batch_unsupported', { detail: 'initialize must not be part of a batch' })

  identified(context, request, reply, caller => {
    const session = id === null ? undefined : sessions.get(id)
    if (session !== undefined && session.principalKey === caller.key) {
      if (initialize !== undefined) return refuse(reply, 'already_initialized', { id: requestId })
      return postToSession(context, request, reply, session, messages, batch, caller)
    }
    if (initialize !== undefined) return open(context, request, reply, initialize, caller)
    if (id === null) return refuse(reply, 'session_required', { id: requestId })
    answerElsewhere(context, reply, id, caller.key, requestId).catch(error => reply.send(error))
  })
}

function postToSession (
  { sessions, refuse }: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  session: LocalSession,
  messages: JsonRpcMessage[],
  batch: boolean,
  caller: Caller
): void {
  const { transport } = session
  const requestId = batch ? undefined : idOf(messages[0]!)
  const version = request.headers['mcp-protocol-version'] as string | undefined
  if (!transport.acceptsVersion(version)) {
    return refuse(reply, 'unsupported_protocol_version', { id: requestId, detail: transport.acceptedVersions.join(', ') })
  }
  if (batch && transport.protocolVersion !== '2025-03-26') {
    return refuse(reply, 'batch_unsupported', { detail: `protocol version ${transport.protocolVersion} has no batches; send one message per POST` })
  }
  const taken = transport.idInUse(messages)
  if (taken !== undefined) return refuse(reply, 'request_id_in_use', { id: requestId, detail: JSON.stringify(taken).slice(0, 64) })
  sessions.touch(session)
  transport.post(messages, batch, new ReplyExchange(reply), new MessageExtra(request, caller.authInfo))
}

function open (context: RouteContext, request: FastifyRequest, reply: FastifyReply, message: JsonRpcRequest, caller: Caller): void {
  const { sessions, refuse } = context
  const { id } = message
  const problem = initializeProblem(message)
  if (problem !== undefined) return refuse(reply, 'initialize_invalid', { id, detail: problem })
  if (sessions.state === 'closing') return refuse(reply, 'node_closing', { id, retryAfter: RETRY_AFTER })
  sessions.open({
    request,
    message,
    principal: caller.principal,
    exchange: new ReplyExchange(reply),
    extra: new MessageExtra(request, caller.authInfo),
    onOpened: sessionId => reply.header('mcp-session-id', sessionId)
  }).then(full => {
    if (full !== undefined) refuse(reply, full, { id, retryAfter: full === 'principal_limit' ? undefined : RETRY_AFTER })
  }).catch(error => reply.send(error))
}

function isInitialize (message: JsonRpcMessage): message is JsonRpcRequest {
  return 'method' in message && message.method === 'initialize' && 'id' in message
}

/** The id to answer with, where a message is a request that has a usable one. */
function idOf (message: unknown): RequestId | undefined {
  if (typeof message !== 'object' || message === null || !('method' in message) || !('id' in message)) return undefined
  return typeof message.id === 'string' || Number.isSafeInteger(message.id) ? message.id as RequestId : undefined
}
