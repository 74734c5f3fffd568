import createError from '@fastify/error'

/** An option of `register` has a wrong value. The message names it. */
export const OptionError = createError<[string, string]>('MCP_STICKY_ERR_OPTION', 'option `%s` %s', 500, TypeError)
/** A policy that needs a part which this version or configuration does not have. */
export const PolicyUnavailableError = createError<[string, string]>('MCP_STICKY_ERR_POLICY_UNAVAILABLE', 'option `%s` %s', 500)
/** Another live node has this node's id or url. */
export const NodeDuplicateError = createError<[string]>('MCP_STICKY_ERR_NODE_DUPLICATE', '%s', 500)
/** An endpoint of this name, or at this path, is registered already on the same application; or mcpStickyOtel is. */
export const AlreadyRegisteredError = createError<[string]>('MCP_STICKY_ERR_ALREADY_REGISTERED', '%s', 500)
/** The session directory cannot be reached, or what it says is not evidence yet. */
export class DirectoryUnavailableError extends createError<[string]>('MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE', 'the session directory cannot be reached: %s', 503) {
  /** Seconds after which to try again. */
  readonly retryAfter: number

  constructor (why: string, retryAfter = 1) {
    super(why)
    this.retryAfter = retryAfter
  }
}
/** A package that a part of this one works with is not installed. */
export const PeerMissingError = createError<[string, string, { cause: unknown }]>('MCP_STICKY_ERR_PEER_MISSING', '%s needs the package %s, which is not installed', 500)
/** A server-to-client message has no stream that could carry it. */
export const NoStreamError = createError<[string]>('MCP_STICKY_ERR_NO_STREAM', 'no open stream can carry %s', 500)
/** The transport's session has ended. */
export const SessionEndedError = createError('MCP_STICKY_ERR_SESSION_ENDED', 'the session has ended', 500)
/** The application's `principal` function returned something that names nobody. */
export const PrincipalError = createError('MCP_STICKY_ERR_PRINCIPAL', 'a principal must be a string or { issuer, subject }, both strings', 500, TypeError)
/** `createServer`, or the server's connect, failed. */
export const ServerFailedError = createError<[string, { cause: unknown }]>('MCP_STICKY_ERR_SERVER_FAILED', 'the MCP server could not be made: %s', 500)
/** `Last-Event-ID` names an event that the store has let go of: what came after it may be incomplete. */
export const EventsExpiredError = createError('MCP_STICKY_ERR_EVENTS_EXPIRED', 'the event store no longer has this event', 400)
/** A session could not be taken over from a node that is gone. */
export const AdoptionFailedError = createError<[string, { cause: unknown }]>('MCP_STICKY_ERR_ADOPTION_FAILED', 'the session could not be adopted: %s', 503)
/** `session.state` was set to something that a record cannot carry. */
export const StateError = createError<[string]>('MCP_STICKY_ERR_STATE', 'session.state %s', 500, TypeError)
/** A fresh MCP server could not be brought to where a lost one stood. */
export const ReplayError = createError<[string]>('MCP_STICKY_ERR_REPLAY', 'the session could not be replayed: %s', 503)
/** A token lacks scopes that the request needs. Thrown by a hook of the application, `principal` or `authInfo`; the client gets 403 with a challenge that names them. */
export class InsufficientScopeError extends createError<[string]>('MCP_STICKY_ERR_INSUFFICIENT_SCOPE', 'the token lacks a scope that this request needs: %s', 403) {
  /** Those that the request needs. */
  readonly scopes: readonly string[]

  /** @param scopes all that the request needs, those that the token has too: clients ask for these and no others */
  constructor (scopes: string | readonly string[]) {
    const all = [scopes].flat()
    super(all.join(' '))
    this.scopes = all
  }
}
