import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'

/** Where the proxy and the other nodes ask: below this, all of them. A proxy keeps it off its public entry points. */
export const INTERNAL = '/mcp-sticky'

export const PATHS = {
  /** May new sessions come here? */
  ready: `${INTERNAL}/ready`,
  /** Should requests for the sessions that are here come here? */
  alive: `${INTERNAL}/alive`,
  /** Does the process run? */
  live: `${INTERNAL}/live`,
  /** Does the node's url lead to itself? */
  self: `${INTERNAL}/self`,
  /** Which sessions are here? */
  owner: `${INTERNAL}/owner`,
  /** Does the node take these sessions? */
  take: `${INTERNAL}/take`,
  /** Traefik's document, by default. */
  traefik: `${INTERNAL}/traefik`
} as const

/** What is asked: the header fields, names in lower case. */
export interface InternalRequest { headers: IncomingMessage['headers'] }

/** `body`: an object goes out as JSON, a string as it is. */
export interface InternalAnswer { status: number, headers?: Record<string, string | number>, body: object | string }

export type InternalHandler = (request: InternalRequest) => InternalAnswer | Promise<InternalAnswer>

/** Sees a request, and may add to its answer, before anybody else. It does not throw. */
export type Receiver = (request: IncomingMessage, response: ServerResponse) => void

/** What is else to be known of a path. */
export interface PathOptions {
  /** The header fields of the answer to OPTIONS, by which a browser learns that it may ask. Default: OPTIONS is not allowed. */
  preflight?: Record<string, string | number>
  /** Whether it is answered now; while it is not, it is the application's. Default: always. */
  open?: () => boolean
}

/** What answers at a path. */
interface Path extends PathOptions { handler: InternalHandler }

/** What a server does before its application. */
interface Before { paths: Map<string, Path>, receivers: Receiver[] }

const BEFORE = Symbol.for('fastify-mcp-sticky.before-application')
/** Urls that may be one of the paths, written otherwise. */
const CANDIDATE = /\/(?:mcp-sticky|\.well-known)\//

/**
 * Answers GET and HEAD at a path over the socket, before the application sees
 * the request: proxies and other nodes find it whatever hooks, prefixes, rate
 * limits or error handlers there are, and it stays out of request logs. The
 * same path is a route of the application, hidden from its documents, for
 * `inject` and for servers that are not the application's own.
 */
export function internalPath (app: FastifyInstance, path: string, handler: InternalHandler, options: PathOptions = {}): void {
  const { preflight, open } = options
  beforeApplication(app).paths.set(path, { ...options, handler })
  const hidden = { logLevel: 'silent', schema: { hide: true } as object } as const
  app.get(path, hidden, async (request, reply) => {
    if (open?.() === false) return reply.callNotFound()
    const { status, headers = {}, body } = await handler(request)
    return reply.code(status).headers({ 'cache-control': 'no-store', ...headers }).send(body)
  })
  if (preflight !== undefined) app.options(path, hidden, async (_request, reply) => open?.() === false ? reply.callNotFound() : reply.code(204).headers(preflight).send())
}

/** Has every request over the socket seen before the application's hooks may answer it. */
export function onReceived (app: FastifyInstance, receiver: Receiver): void {
  beforeApplication(app).receivers.push(receiver)
}

function beforeApplication (app: FastifyInstance): Before {
  const server = app.server as Server & { [BEFORE]?: Before }
  return (server[BEFORE] ??= intercept(app, server))
}

function intercept (app: FastifyInstance, server: Server): Before {
  const paths: Before['paths'] = new Map()
  const receivers: Receiver[] = []
  let closing = false
  app.addHook('preClose', async () => { closing = true })
  const listeners = server.rawListeners('request') as Array<(request: IncomingMessage, response: ServerResponse) => void>
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const { url = '' } = request
    const path = paths.get(url) ?? (CANDIDATE.test(url) ? paths.get(pathOf(url)) : undefined)
    if (path === undefined || path.open?.() === false) {
      for (const receiver of receivers) receiver(request, response)
      for (const listener of listeners) listener.call(server, request, response)
      return
    }
    serve(path, request, response, closing, app.log)
  })
  return { paths, receivers }
}

/** Answers a request, whatever becomes of the handler. `closing`: the connection is not to stay. */
export function serve (path: Path, request: IncomingMessage, response: ServerResponse, closing: boolean, log: Pick<FastifyBaseLogger, 'error'>): void {
  answer(path, request, response, closing).catch(error => {
    log.error({ err: error }, 'an internal question could not be answered')
    if (!response.headersSent) response.writeHead(500)
    response.end()
  })
}

async function answer ({ handler, preflight }: Path, request: IncomingMessage, response: ServerResponse, closing: boolean): Promise<void> {
  // A connection that stays would hold the server open.
  if (closing && request.httpVersionMajor < 2) response.setHeader('connection', 'close')
  const { method } = request
  if (method === 'OPTIONS' && preflight !== undefined) {
    response.writeHead(204, preflight).end()
    request.resume()
    return
  }
  const { status, headers, body } = method === 'GET' || method === 'HEAD'
    ? await handler(request)
    : { status: 405, headers: { allow: 'GET, HEAD' }, body: { error: 'method not allowed' } }
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers
  })
  response.end(method === 'HEAD' ? undefined : text)
  request.resume()
}

/** Without scheme, host, query and the slash that some proxies put at the end. */
export function pathOf (target: string): string {
  return target.replace(/^[^/?#]+:\/\/[^/?#]*/, '').replace(/[?#].*$/s, '').replace(/\/$/, '')
}
