import { AdoptionFailedError, InsufficientScopeError, ServerFailedError } from '../../errors.ts'
import type { Incoming } from '../../sessions/incoming.ts'
import type { RouteContext } from '../context.ts'

/** Who failed: the application's `createServer`, its `principal` or `authInfo`, or this plugin. */
type Failure = 'server_failed' | 'auth_failed' | 'internal'

/**
 * Answers what is no fault of the client's: each of its requests gets a
 * JSON-RPC error, and the log alone has the words of the real one. The
 * application's own HTTP errors (a 401 that `principal` throws) are for its
 * client to see: they pass, to its error handler.
 */
export function failed ({ refuse }: RouteContext, incoming: Incoming, reason: Failure, error: unknown): void {
  const { ids, batch } = incoming
  if (reason !== 'internal') {
    const own = httpError(error)
    if (own !== undefined) {
      incoming.reply.send(own)
      return
    }
  }
  refuse(incoming, reason, { ...(batch && ids.length > 0 ? { ids } : { id: ids[0] }), log: { err: cause(error) } })
}

/** The same for an error that may be any of the three. */
export function failedSomehow (context: RouteContext, incoming: Incoming, error: unknown): void {
  failed(context, incoming, error instanceof ServerFailedError ? 'server_failed' : 'internal', error)
}

/**
 * The application's own HTTP error that an error is, or was made of: one with
 * a `statusCode` that says something. 500 does not: it is what Fastify's errors
 * have when nobody chose one.
 */
export function httpError (error: unknown): Error | undefined {
  const thrown = cause(error)
  if (thrown instanceof InsufficientScopeError) return thrown
  if (!(thrown instanceof Error)) return undefined
  const { statusCode, code } = thrown as { statusCode?: unknown, code?: unknown }
  const chosen = Number.isInteger(statusCode) && (statusCode as number) >= 400 && (statusCode as number) < 600 && statusCode !== 500
  return chosen && !(typeof code === 'string' && code.startsWith('MCP_STICKY_ERR_')) ? thrown : undefined
}

/** What the application threw, where an error of ours tells of that. */
function cause (error: unknown): unknown {
  return error instanceof ServerFailedError || error instanceof AdoptionFailedError ? cause(error.cause) : error
}
