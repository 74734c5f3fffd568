import type { FastifyReply, FastifyRequest } from 'fastify'
import { isHop } from '../affinity/affinity.ts'
import type { LocalSession } from '../sessions/session.ts'
import { MessageExtra } from '../transport/extra.ts'
import { MAX_DEPTH, tooDeep } from '../transport/nesting.ts'
import { initializeProblem, parseMessages } from '../transport/parse.ts'
import type { JsonRpcMessage, JsonRpcRequest, RequestId } from '../transport/messages.ts'
import { readJson } from './body.ts'
import { refuseFound, RETRY_AFTER, served } from './elsewhere.ts'
import { failed, failedSomehow } from './failure.ts'
import type { Asked } from './failure.ts'
import { accepting, isJson } from './headers.ts'
import { identified, sessionIdOf } from './identity.ts'
import type { Caller } from './identity.ts'
import { ownerLost } from './refusal.ts'
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
  if (tooDeep(body, (request.body as Buffer).length)) return refuse(reply, 'invalid_request', { detail: `the message must not be nested more than ${MAX_DEPTH} levels deep`, id: idOf(body) })
  const parsed = parseMessages(body)
  if ('invalid' in parsed) return refuse(reply, 'invalid_request', { detail: parsed.invalid, id: idOf(body) })
  const { messages, batch } = parsed
  const id = sessionIdOf(request)
  const requestId = batch ? undefined : idOf(messages[0]!)
  if (id === undefined) return refuse(reply, 'session_malformed', { id: requestId })
  if (sessions.state === 'superseded') return refuse(reply, 'node_superseded', { id: requestId, retryAfter: RETRY_AFTER })

  const initialize = messages.find(isInitialize)
  if (initialize !== undefined && batch) return refuse(reply, 'batch_unsupported', { detail: 'initialize must not be part of a batch' })

  const asked = { request, reply, ids: messages.flatMap(message => idOf(message) ?? []), batch }
  identified(context, asked, caller => {
    if (initialize !== undefined) {
      const session = id === null ? undefined : sessions.get(id)
      if (session !== undefined && session.principalKey === caller.key) return refuse(reply, 'already_initialized', { id: requestId })
      return open(context, asked, initialize, caller)
    }
    if (id === null) return refuse(reply, 'session_required', { id: requestId })
    served(context, asked, id, caller, session => {
      postToSession(context, request, reply, session, messages, batch, caller)
    })
  })
}

function postToSession (
  { sessions, refuse, unsent }: RouteContext,
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
  transport.post(messages, batch, new ReplyExchange(reply, unsent), new MessageExtra(request, caller.authInfo))
}

function open (context: RouteContext, asked: Asked, message: JsonRpcRequest, caller: Caller): void {
  const { sessions, refuse, unsent } = context
  const { request, reply } = asked
  const { id } = message
  const problem = initializeProblem(message)
  if (problem !== undefined) return refuse(reply, 'initialize_invalid', { id, detail: problem })
  if (sessions.state === 'closing') {
    openElsewhere(context, asked, 'node_closing').catch(error => failed(context, asked, 'internal', error))
    return
  }
  sessions.open({
    request,
    message,
    principal: caller.principal,
    exchange: new ReplyExchange(reply, unsent),
    extra: new MessageExtra(request, caller.authInfo),
    onOpened: sessionId => reply.header('mcp-session-id', sessionId)
  }).then(full => {
    if (full === 'principal_limit') return refuse(reply, full, { id })
    if (full !== undefined) return openElsewhere(context, asked, full)
  }).catch(error => failedSomehow(context, asked, error))
}

/** This node takes no more sessions: another may. */
async function openElsewhere (context: RouteContext, asked: Asked, why: 'node_closing' | 'node_full'): Promise<void> {
  const { request, reply, ids } = asked
  const [id] = ids
  // The node that asks has others to try.
  if (isHop(request)) return context.refuse(reply, 'not_owner', { id })
  const found = await context.affinity.delegate({ request, reply, lastWords: () => ownerLost(ids) })
  if (found === undefined) return context.refuse(reply, why, { id, retryAfter: RETRY_AFTER })
  refuseFound(context, asked, found)
}

function isInitialize (message: JsonRpcMessage): message is JsonRpcRequest {
  return 'method' in message && message.method === 'initialize' && 'id' in message
}

/** The id to answer with, where a message is a request that has a usable one. */
function idOf (message: unknown): RequestId | undefined {
  if (typeof message !== 'object' || message === null || !('method' in message) || !('id' in message)) return undefined
  return typeof message.id === 'string' || Number.isSafeInteger(message.id) ? message.id as RequestId : undefined
}
