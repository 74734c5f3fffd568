import type { ServerRequests } from './server-requests.ts'
import type { MessageExtra } from '../extra.ts'
import type { JsonRpcError, JsonRpcMessage, JsonRpcNotification, JsonRpcResult, RequestId } from '../messages.ts'
import type { PostAnswer } from './post-answer.ts'

/** What the client's messages need of their session. */
export interface ClientMessagesHost {
  readonly calls: Map<RequestId, PostAnswer>
  /** The server's own requests; undefined while it has made none. */
  readonly asked: ServerRequests | undefined
  /** Hands a message to the server. False: the server could not even take it. */
  deliver: (message: JsonRpcMessage, extra: MessageExtra) => boolean
  /** A message that the server will not get. */
  dropped: (what: string) => void
}

/** Hands a notification of the client to the server. */
export function receiveNotification (host: ClientMessagesHost, message: JsonRpcNotification, extra: MessageExtra): void {
  switch (message.method) {
    case 'notifications/cancelled':
      cancel(host, message, extra)
      break
    case 'notifications/progress':
      host.deliver(host.asked?.progressed(message) ?? message, extra)
      break
    default:
      host.deliver(message, extra)
  }
}

/** Hands the client's answer to the server that asked. */
export function receiveAnswer (host: ClientMessagesHost, message: JsonRpcResult | JsonRpcError, extra: MessageExtra): void {
  const answer = host.asked?.answered(message)
  if (answer === undefined) host.dropped('an answer to no open question')
  else host.deliver(answer, extra)
}

/** The client gives a call up. The server hears of it, and says nothing more about the call. */
function cancel (host: ClientMessagesHost, message: JsonRpcNotification, extra: MessageExtra): void {
  const { requestId: id, reason } = (message.params ?? {}) as { requestId: RequestId, reason?: unknown }
  const answer = host.calls.get(id)
  if (answer?.initialize === true) return host.dropped('the cancellation of initialize')
  host.deliver(message, extra)
  // The SDKs ignore a cancellation whose reason is not text.
  if (answer === undefined || (reason !== undefined && typeof reason !== 'string')) return
  host.calls.delete(id)
  answer.cancel(id)
}
