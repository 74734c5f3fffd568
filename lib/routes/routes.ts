import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import { callerOf } from '../security/caller.ts'
import type { Forbidden } from '../security/origin.ts'
import type { ProtectedResource } from '../security/protected-resource.ts'
import { Incoming } from '../sessions/incoming.ts'
import { bodyRefusal } from './checks/body.ts'
import type { RouteContext } from './context.ts'
import { removeSession } from './delete.ts'
import { challenges, nameScopes } from './answers/challenges.ts'
import { failed } from './answers/failure.ts'
import { exceeds, fieldLimits } from './checks/field-size.ts'
import { openStream } from './get.ts'
import { postMessages } from './post.ts'
import { statelessHooks } from './stateless.ts'

interface RoutesOptions extends Omit<RouteContext, 'parseJson' | 'anonymous'> {
  path: string
  routeOptions: RouteShorthandOptions
  /** Whether requests are passed on to other nodes. */
  forwards: boolean
  forbidden: (headers: FastifyRequest['headers']) => Forbidden | undefined
  /** What clients without a token are told; undefined: nothing. */
  resource: ProtectedResource | undefined
}

const BODY_LIMIT = 4 * 1024 * 1024
const REFUSED_METHODS = ['PUT', 'PATCH', 'HEAD'] as const

/**
 * The MCP endpoint, in a context of its own: its parser and error handler
 * reach nothing else of the application.
 */
export async function mcpRoutes (app: FastifyInstance, options: RoutesOptions): Promise<void> {
  const { path, routeOptions: { errorHandler, schema, ...routeOptions }, forbidden, forwards, resource, ...parts } = options
  const { onProtoPoisoning = 'error', onConstructorPoisoning = 'error' } = app.initialConfig
  const context: RouteContext = { ...parts, anonymous: callerOf(undefined, undefined, parts.endpoint), parseJson: app.getDefaultJsonParser(onProtoPoisoning, onConstructorPoisoning) as unknown as RouteContext['parseJson'] }
  const bodyLimit = routeOptions.bodyLimit ?? BODY_LIMIT

  // The bytes as they came: a JSON parser of Fastify's would answer with its own errors.
  app.removeAllContentTypeParsers()
  // JSON by name too: Fastify remembers which parser a named type has, and looks for `*` at every request.
  app.addContentTypeParser(['application/json', '*'], { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body))

  // What is no fault of a body comes from the application's hooks, or is its own HTTP error (failure.ts): it is answered there.
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const refusal = bodyRefusal(error, bodyLimit)
    if (refusal !== undefined) return context.refuse(new Incoming(request, reply), refusal.reason, { detail: refusal.detail })
    nameScopes(error, reply)
    if (errorHandler === undefined) throw error
    return errorHandler.call(app, error, request, reply)
  })

  if (parts.stateless !== undefined) statelessHooks(app, parts.stateless)
  const limits = forwards ? fieldLimits(app.server) : undefined

  /**
   * What holds for every verb and both eras: what was passed on for another endpoint, what the owner would not take, then
   * Host and Origin. Nothing has been asked of the session id before `handler`: the eras part in postMessages. GET and
   * DELETE are of the sessions alone.
   */
  function guarded (handler: (context: RouteContext, incoming: Incoming) => void) {
    return (request: FastifyRequest, reply: FastifyReply): void => {
      const incoming = new Incoming(request, reply)
      try {
        // Nodes differ in their paths, as in the middle of a deploy that moves one.
        if (incoming.hop && incoming.endpoint !== context.endpoint) return context.refuse(incoming, 'not_owner')
        if (limits !== undefined && exceeds(limits, incoming)) return context.refuse(incoming, 'headers_too_large', { log: { limits } })
        const refused = forbidden(request.headers)
        if (refused === undefined) return handler(context, incoming)
        const { reason, value, option } = refused
        context.refuse(incoming, reason, { log: { value, hint: `to serve it, add it to the option ${option}` } })
      } catch (error) {
        failed(context, incoming, 'internal', error)
      }
    }
  }

  // One path that takes all of MCP says nothing to readers of an OpenAPI document; @fastify/swagger shows it where the application says so.
  const shared = { ...routeOptions, schema: { hide: true, ...schema }, ...(resource && { onSend: [...[routeOptions.onSend ?? []].flat(), challenges(resource)] }), exposeHeadRoute: false, bodyLimit, url: path }
  app.route({ ...shared, method: 'POST', handler: guarded(postMessages) })
  app.route({ ...shared, method: 'GET', handler: guarded(openStream) })
  app.route({ ...shared, method: 'DELETE', handler: guarded(removeSession) })
  app.route({ ...shared, method: [...REFUSED_METHODS], handler: guarded(refuseMethod) })
}

function refuseMethod ({ refuse }: RouteContext, incoming: Incoming): void {
  incoming.reply.header('allow', 'GET, POST, DELETE')
  refuse(incoming, 'method_not_allowed')
}
