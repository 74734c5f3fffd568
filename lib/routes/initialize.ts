import type { Incoming } from '../sessions/incoming.ts'
import type { JsonRpcMessage, JsonRpcRequest } from '../transport/messages.ts'
import { initializeProblem } from '../transport/parse.ts'
import type { RouteContext } from './context.ts'
import { refuseFound, RETRY_AFTER } from './elsewhere.ts'
import { failed, failedSomehow } from './answers/failure.ts'
import { ReplyExchange } from './answers/reply-exchange.ts'

export function isInitialize (message: JsonRpcMessage): message is JsonRpcRequest {
  return 'method' in message && message.method === 'initialize' && 'id' in message
}

/** Opens a session (spec 2025-11-25, Initialization), here or where there is room. */
export function openSession (context: RouteContext, incoming: Incoming, message: JsonRpcRequest): void {
  const { endpoint, sessions, refuse, unsent } = context
  const { request, reply, caller, extra } = incoming
  const { id } = message
  const problem = initializeProblem(message)
  if (problem !== undefined) return refuse(incoming, 'initialize_invalid', { id, detail: problem })
  if (sessions.state === 'closing') {
    openElsewhere(context, incoming, 'node_closing').catch(error => failed(context, incoming, 'internal', error))
    return
  }
  sessions.open(endpoint, {
    request,
    message,
    caller,
    exchange: new ReplyExchange(reply, unsent),
    extra,
    onOpened: sessionId => { reply.header('mcp-session-id', sessionId) }
  }).then(full => {
    if (full === 'principal_limit') return refuse(incoming, full, { id })
    if (full !== undefined) return openElsewhere(context, incoming, full)
  }).catch(error => failedSomehow(context, incoming, error))
}

/** This node takes no more sessions: another may. */
async function openElsewhere (context: RouteContext, incoming: Incoming, why: 'node_closing' | 'node_full'): Promise<void> {
  const { ids: [id] } = incoming
  // The node that asks has others to try.
  if (incoming.hop) return context.refuse(incoming, 'not_owner', { id })
  const found = await context.delegation.delegate(incoming)
  if (found === undefined) return context.refuse(incoming, why, { id, retryAfter: RETRY_AFTER })
  refuseFound(context, incoming, found)
}
