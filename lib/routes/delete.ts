import type { FastifyReply, FastifyRequest } from 'fastify'
import { isHop } from '../affinity/affinity.ts'
import { DirectoryUnavailableError } from '../errors.ts'
import { failed } from './failure.ts'
import { identified, sessionIdOf } from './identity.ts'
import type { Caller } from './identity.ts'
import type { RouteContext } from './context.ts'

/**
 * DELETE: the client ends its session (spec 2025-11-25, Session Management),
 * on whichever node it arrives: Redis is cleaned though the session lives
 * elsewhere (ADR-0066).
 */
export function removeSession (context: RouteContext, request: FastifyRequest, reply: FastifyReply): void {
  const { sessions, refuse } = context
  const id = sessionIdOf(request)
  if (id === undefined) return refuse(reply, 'session_malformed')
  if (id === null) return refuse(reply, 'session_required')
  const asked = { request, reply, ids: [], batch: false }
  identified(context, asked, caller => {
    const session = sessions.get(id)
    const version = request.headers['mcp-protocol-version'] as string | undefined
    if (session !== undefined && session.principalKey === caller.key && !session.transport.acceptsVersion(version)) {
      return refuse(reply, 'unsupported_protocol_version', { detail: session.transport.acceptedVersions.join(', ') })
    }
    remove(context, request, reply, id, caller).catch(error => failed(context, asked, 'internal', error))
  })
}

/** The owner ends it where it can be reached; where not, the record goes, and the owner learns of it from its close set. */
async function remove ({ sessions, affinity, refuse }: RouteContext, request: FastifyRequest, reply: FastifyReply, id: string, caller: Caller): Promise<void> {
  try {
    if (!sessions.has(id) && await affinity.forwardOnce({ request, reply, id, key: caller.key })) return
    const outcome = await sessions.close(id, { principal: caller.key })
    if (outcome === 'unknown') return refuse(reply, isHop(request) ? 'not_owner' : 'unknown')
    reply.code(outcome === 'queued' ? 202 : 200).send()
  } catch (error) {
    if (!(error instanceof DirectoryUnavailableError)) throw error
    refuse(reply, 'directory_unavailable', { retryAfter: error.retryAfter, log: { err: error } })
  }
}
