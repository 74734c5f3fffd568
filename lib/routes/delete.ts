import type { FastifyReply, FastifyRequest } from 'fastify'
import { DirectoryUnavailableError } from '../errors.ts'
import { identified, sessionIdOf } from './identity.ts'
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
  identified(context, request, reply, caller => {
    const session = sessions.get(id)
    const version = request.headers['mcp-protocol-version'] as string | undefined
    if (session !== undefined && session.principalKey === caller.key && !session.transport.acceptsVersion(version)) {
      return refuse(reply, 'unsupported_protocol_version', { detail: session.transport.acceptedVersions.join(', ') })
    }
    sessions.close(id, { principal: caller.key }).then(outcome => {
      if (outcome === 'unknown') return refuse(reply, 'unknown')
      reply.code(outcome === 'queued' ? 202 : 200).send()
    }).catch(error => {
      if (!(error instanceof DirectoryUnavailableError)) return reply.send(error)
      refuse(reply, 'directory_unavailable', { retryAfter: error.retryAfter, log: { err: error } })
    })
  })
}
