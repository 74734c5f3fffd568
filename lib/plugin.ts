import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { AlreadyRegisteredError } from './errors.ts'
import { readOptions } from './options.ts'
import type { McpStickyOptions, Settings } from './options.ts'
import { registeredClient } from './redis/registered-client.ts'
import { redisDirectory } from './redis/session-directory.ts'
import { healthRoutes } from './routes/health.ts'
import { refusalCounters, refuser } from './routes/refusal.ts'
import { mcpRoutes } from './routes/routes.ts'
import { originGuard } from './security/origin.ts'
import { nodeTag } from './session-id.ts'
import type { NodeIdentity, SessionDirectory } from './sessions/directory.ts'
import { memoryDirectory } from './sessions/memory-directory.ts'
import { mcpSessions } from './sessions/mcp-sessions.ts'
import type { McpSessions } from './sessions/mcp-sessions.ts'
import { Sessions } from './sessions/sessions.ts'
import type { TransportEvents } from './sessions/sessions.ts'
import { within } from './sessions/within.ts'
import { SessionStore } from './sessions/store.ts'
import { AnswerWait } from './transport/answer-wait.ts'
import { KeepAlive } from './transport/keep-alive.ts'
import { StreamableHttpTransport } from './transport/transport.ts'

declare module 'fastify' {
  interface FastifyInstance {
    mcpSessions: McpSessions
  }
}

/** preClose must end before Fastify's pluginTimeout (10 s by default) does; calls in flight get this much of it. */
const CLOSE_GRACE = 3000
/** How long onClose may take, for the sessions and for the directory alike. */
const CLOSE_BOUND = 5000

async function plugin (app: FastifyInstance, options: McpStickyOptions): Promise<void> {
  if (app.hasDecorator('mcpSessions')) throw new AlreadyRegisteredError()
  const settings = readOptions(options)
  const node: NodeIdentity = {
    id: settings.node.id,
    url: settings.node.url,
    tag: nodeTag(settings.node),
    epoch: randomBytes(12).toString('base64url')
  }
  const directory = chooseDirectory(app, options, settings, node)
  const store = new SessionStore(settings.session)
  const sessions = new Sessions({
    node,
    store,
    directory,
    createServer: settings.createServer,
    makeTransport: transports(app, settings, node),
    limits: settings.session,
    log: app.log
  })
  const refused = refusalCounters()
  app.decorate('mcpSessions', mcpSessions({ sessions, refused, drain: settings.drain, log: app.log }))

  app.addHook('onReady', () => sessions.start())
  app.addHook('preClose', async () => {
    await within(CLOSE_GRACE, sessions.drain({ grace: 0, timeout: CLOSE_GRACE }))
    // Between preClose and onClose Fastify waits for every connection, and a client may stall one as long as it likes.
    sessions.shutdown(CLOSE_BOUND).catch(error => app.log.error({ err: error }, 'ending the mcp sessions failed'))
  })
  app.addHook('onClose', () => sessions.shutdown(CLOSE_BOUND))

  await app.register(mcpRoutes, {
    ...fastifyOptions(options),
    path: settings.path,
    routeOptions: settings.routeOptions,
    sessions,
    refuse: refuser(refused),
    resumable: settings.eventStore !== undefined,
    principal: settings.principal,
    authInfo: settings.authInfo,
    forbidden: originGuard({
      allowedHosts: settings.allowedHosts,
      allowedOrigins: settings.allowedOrigins ?? [],
      loopbackOnly: settings.node.url === undefined ? loopbackOnly(app) : () => false
    })
  })
  if (settings.node.url !== undefined) await app.register(healthRoutes, { sessions })
  if (settings.authInfo !== undefined && settings.principal === undefined) {
    app.log.warn('fastify-mcp-sticky: authInfo is set and principal is not, so a session answers to everybody who knows its id; set principal to bind it')
  }
}

/** What Fastify itself takes at register; a plugin that breaks out of encapsulation has to pass it on. */
function fastifyOptions ({ prefix, logLevel, logSerializers }: McpStickyOptions): Pick<McpStickyOptions, 'prefix' | 'logLevel' | 'logSerializers'> {
  return {
    ...(prefix !== undefined && { prefix }),
    ...(logLevel !== undefined && { logLevel }),
    ...(logSerializers !== undefined && { logSerializers })
  }
}

function chooseDirectory (app: FastifyInstance, options: McpStickyOptions, settings: Settings, node: NodeIdentity): SessionDirectory {
  const client = registeredClient(app, options.redis)
  const { ttl } = settings.session
  if (client !== undefined) {
    return redisDirectory({ client, node, keyPrefix: settings.keyPrefix, ttl, heartbeat: settings.node.heartbeat, log: app.log })
  }
  app.log.info('fastify-mcp-sticky: no Redis, so the session directory is in memory and serves this one node; register @fastify/redis or set the option redis for more')
  return memoryDirectory({ node, ttl })
}

/** Transports of one node share their timers. */
function transports (app: FastifyInstance, settings: Settings, node: NodeIdentity): (events: TransportEvents) => StreamableHttpTransport {
  const waits = new AnswerWait(settings.stream.wait)
  const keepAlive = new KeepAlive(settings.stream.keepAlive)
  return events => new StreamableHttpTransport({
    ...events,
    epoch: node.epoch,
    responseMode: settings.responseMode,
    retry: settings.stream.retry,
    ...(settings.eventStore !== undefined && { eventStore: settings.eventStore }),
    waits,
    keepAlive,
    log: app.log
  })
}

/** Known once the server listens; until then nothing but inject can arrive. */
function loopbackOnly (app: FastifyInstance): () => boolean {
  let known: boolean | undefined
  return () => {
    if (known === undefined && app.server.listening) {
      known = (app.addresses() as Array<AddressInfo | string>).every(isLoopback)
    }
    return known ?? false
  }
}

/** A Unix socket has a path for an address. */
function isLoopback (address: AddressInfo | string): boolean {
  return typeof address === 'object' && /^(127\.|::1$|::ffff:127\.)/.test(address.address)
}

/**
 * Serves MCP over Streamable HTTP, one session directory for all nodes.
 * `app.register(mcpSticky, { createServer })` adds the route and `app.mcpSessions`.
 */
export const mcpSticky = fp(plugin, { fastify: '5.x', name: 'fastify-mcp-sticky' })
