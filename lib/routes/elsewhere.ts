import type { FastifyReply } from 'fastify'
import { decide } from '../affinity/misroute.ts'
import { DirectoryUnavailableError } from '../errors.ts'
import type { RequestId } from '../transport/messages.ts'
import type { RouteContext } from './context.ts'

/** Seconds after which a client should try again where nobody knows better. */
export const RETRY_AFTER = 2

/**
 * Answers a request for a session that is not local, or another principal's:
 * the directory is asked for both, so that nothing tells them apart.
 */
export async function answerElsewhere (
  { sessions, refuse }: RouteContext,
  reply: FastifyReply,
  id: string,
  principal: string | undefined,
  requestId?: RequestId | undefined
): Promise<void> {
  try {
    const found = await sessions.locateElsewhere(id)
    const { reason, data } = decide(found, principal)
    refuse(reply, reason, { id: requestId, data, detail: data?.node, log: reason === 'unknown' || found.status === 'unknown' ? {} : { owner: found.record.node } })
  } catch (error) {
    if (!(error instanceof DirectoryUnavailableError)) throw error
    refuse(reply, 'directory_unavailable', { id: requestId, retryAfter: error.retryAfter, log: { err: error } })
  }
}
