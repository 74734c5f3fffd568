import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { Forbidden } from '../security/origin.ts'
import { Incoming } from '../sessions/incoming.ts'
import { bodyRefusal } from './checks/body.ts'
import type { RouteContext } from './context.ts'
import { removeSession } from './delete.ts'
import { failed } from './answers/failure.ts'
import { exceeds, fieldLimits } from './checks/field-size.ts'
import { openStream } from './get.ts'
import { postMessages } from './post.ts'

export interface RoutesOptions extends Omit<RouteContext, 'parseJson'> {
  path: string
  routeOptions: RouteShorthandOptions
  /** Whether requests are passed on to other nodes. */
  forwards: boolean
  forbidden: (headers: FastifyRequest['headers']) => Forbidden | undefined
}

const BODY_LIMIT = 4 * 1024 * 1024
const REFUSED_METHODS = ['PUT', 'PATCH', 'HEAD'] as const

/**
 * The MCP endpoint, in a context of its own: its parser and error handler
 * reach nothing else of the application.
 */
export async function mcpRoutes (app: FastifyInstance, options: RoutesOptions): Promise<void> {
  const { path, routeOptions: { errorHandler, ...routeOptions }, forbidden, forwards, ...parts } = options
  const { onProtoPoisoning = 'error', onConstructorPoisoning = 'error' } = app.initialConfig
  const context: RouteContext = { ...parts, parseJson: app.getDefaultJsonParser(onProtoPoisoning, onConstructorPoisoning) as unknown as RouteContext['parseJson'] }
  const bodyLimit = routeOptions.bodyLimit ?? BODY_LIMIT

  // The bytes as they came: a JSON parser of Fastify's would answer with its own errors.
  app.removeAllContentTypeParsers()
  // JSON by name too: Fastify remembers which parser a named type has, and looks for `*` at every request.
  app.addContentTypeParser(['application/json', '*'], { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body))

  // What is no fault of a body comes from the application's hooks, or is its own HTTP error (failure.ts): it is answered there.
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const refusal = bodyRefusal(error, bodyLimit)
    if (refusal !== undefined) return context.refuse(reply, refusal.reason, { detail: refusal.detail })
    if (errorHandler === undefined) throw error
    return errorHandler.call(app, error, request, reply)
  })

  const limits = forwards ? fieldLimits(app.server) : undefined

  /** What holds for every verb: what the owner would not take, then Host and Origin. */
  function guarded (handler: (context: RouteContext, incoming: Incoming) => void) {
    return (request: FastifyRequest, reply: FastifyReply): void => {
      const incoming = new Incoming(request, reply)
      try {
        if (limits !== undefined && exceeds(limits, incoming)) return context.refuse(reply, 'headers_too_large', { log: { limits } })
        const refused = forbidden(request.headers)
        if (refused === undefined) return handler(context, incoming)
        const { reason, value, option } = refused
        context.refuse(reply, reason, { log: { value, hint: `to serve it, add it to the option ${option}` } })
      } catch (error) {
        failed(context, incoming, 'internal', error)
      }
    }
  }

  const shared = { ...routeOptions, exposeHeadRoute: false, bodyLimit, url: path }
  app.route({ ...shared, method: 'POST', handler: guarded(postMessages) })
  app.route({ ...shared, method: 'GET', handler: guarded(openStream) })
  app.route({ ...shared, method: 'DELETE', handler: guarded(removeSession) })
  app.route({ ...shared, method: [...REFUSED_METHODS], handler: guarded(refuseMethod) })
}

function refuseMethod ({ refuse }: RouteContext, { reply }: Incoming): void {
  refuse(reply.header('allow', 'GET, POST, DELETE'), 'method_not_allowed')
}
