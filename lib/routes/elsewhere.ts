import type { FastifyReply } from 'fastify'
import { decide } from '../affinity/misroute.ts'
import { DirectoryUnavailableError } from '../errors.ts'
import type { RequestId } from '../transport/messages.ts'
import type { RouteContext } from './routes.ts'

/** Seconds after which a client should try again while the directory is away. */
export const RETRY_AFTER = 2

/** Answers a request for a session that is not local. */
export async function answerElsewhere (
  { sessions, refuse }: RouteContext,
  reply: FastifyReply,
  id: string,
  principal: string | undefined,
  requestId?: RequestId | undefined
): Promise<void> {
  try {
    const found = await sessions.locate(id)
    // A session may have arrived here while the directory was read.
    if (found.status === 'local') return refuse(reply, 'directory_unavailable', { id: requestId, retryAfter: RETRY_AFTER })
    const { reason, data } = decide(found, principal)
    refuse(reply, reason, { id: requestId, data, detail: data?.node, log: reason === 'unknown' || found.status === 'unknown' ? {} : { owner: found.record.node } })
  } catch (error) {
    if (!(error instanceof DirectoryUnavailableError)) throw error
    refuse(reply, 'directory_unavailable', { id: requestId, retryAfter: RETRY_AFTER, log: { err: error } })
  }
}
