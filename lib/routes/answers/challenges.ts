import type { FastifyReply, onSendHookHandler } from 'fastify'
import { InsufficientScopeError } from '../../errors.ts'
import { insufficientScope } from '../../security/challenge.ts'
import type { ProtectedResource } from '../../security/protected-resource.ts'

const FIELD = 'www-authenticate'

/**
 * The hook that completes the challenges of an endpoint, for it to be the last
 * one: whoever has answered 401, and what it has said, is known then.
 */
export function challenges ({ challenged }: ProtectedResource): onSendHookHandler {
  return (_request, reply, payload, done) => {
    const value = challenged(reply.statusCode, reply.getHeader(FIELD))
    if (value !== undefined) reply.header(FIELD, value)
    done(null, payload)
  }
}

/** Has the answer to an error of missing scopes name them, whoever words it. */
export function nameScopes (error: unknown, reply: FastifyReply): void {
  if (error instanceof InsufficientScopeError) reply.header(FIELD, insufficientScope(error.scopes))
}
