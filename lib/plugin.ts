import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { assertBeats, BEATS } from './beats.ts'
import { Adoption } from './affinity/adoption.ts'
import { Affinity } from './affinity/affinity.ts'
import { Delegation } from './affinity/delegation.ts'
import { Hops } from './affinity/hops.ts'
import { Missing } from './affinity/missing.ts'
import { Drain } from './shutdown/drain.ts'
import { Forwarder } from './affinity/forwarding/forwarder.ts'
import { Lease } from './sessions/lease.ts'
import type { Policies } from './affinity/misroute.ts'
import { FrozenOwners } from './affinity/evidence/frozen-owners.ts'
import { receiptOf } from './affinity/forwarding/hop-proof.ts'
import { askOwner } from './affinity/evidence/owner-question.ts'
import { Owners } from './affinity/evidence/owners.ts'
import { SelfCheck } from './affinity/evidence/self-check.ts'
import { UnderWay } from './http/under-way.ts'
import { connectionsOf } from './shutdown/connections.ts'
import { PROOF } from './http/between-nodes.ts'
import { onReceived } from './http/internal-paths.ts'
import type { Receiver } from './http/internal-paths.ts'
import { AlreadyRegisteredError, OptionError, PolicyUnavailableError } from './errors.ts'
import { readOptions } from './settings.ts'
import type { McpStickyOptions } from './options.ts'
import type { Settings } from './settings.ts'
import type { RedisClient } from './redis/client.ts'
import { registeredClient } from './redis/registered-client.ts'
import { redisDirectory } from './redis/session-directory.ts'
import { internalRoutes } from './routes/internal.ts'
import { ownerLost, refusalCounters, refuser } from './routes/answers/refusal.ts'
import { mcpRoutes } from './routes/routes.ts'
import { Proofs } from './security/proofs.ts'
import { loopbackOnly } from './security/loopback.ts'
import { originGuard } from './security/origin.ts'
import { nodeTag } from './session-id.ts'
import type { SessionDirectory } from './directory/directory.ts'
import type { NodeIdentity } from './directory/node.ts'
import { memoryDirectory } from './directory/memory-directory.ts'
import { mcpSessions, type McpSessions } from './sessions/mcp-sessions.ts'
import { Sessions } from './sessions/sessions.ts'
import type { TransportEvents } from './sessions/server-builder.ts'
import { SessionStore } from './sessions/store.ts'
import type { SessionEventStore } from './transport/mcp-server.ts'
import { AnswerWait } from './transport/calls/answer-wait.ts'
import { KeepAlive } from './transport/streams/keep-alive.ts'
import { StreamableHttpTransport } from './transport/transport.ts'
import { Unsent } from './http/unsent.ts'

declare module 'fastify' {
  interface FastifyInstance {
    mcpSessions: McpSessions
  }
}

/** How long onClose may take, for the sessions and for the directory alike. */
const CLOSE_BOUND = 5000
/** Records say within minutes when a session was used last. */
const TOUCHED = 10 * 60_000

/** The application as avvio, which boots and closes it, has it. */
interface Avvio { onClose: (handler: () => Promise<void>) => unknown }

async function plugin (app: FastifyInstance, options: McpStickyOptions): Promise<void> {
  if (app.hasDecorator('mcpSessions')) throw new AlreadyRegisteredError()
  assertBeats()
  const settings = readOptions(options)
  const { http2, https } = app.initialConfig
  if (settings.node.url !== undefined && http2 === true && !(typeof https === 'object' && https.allowHTTP1)) {
    throw new OptionError('node.url', 'is of a server that speaks HTTP/2 alone, and nodes reach each other with HTTP/1.1; give Fastify the option https.allowHTTP1')
  }
  const incarnation = randomBytes(12).toString('base64url')
  const node: NodeIdentity = {
    id: settings.node.id,
    url: settings.node.url,
    tag: nodeTag(settings.node),
    incarnation,
    epoch: `${incarnation}.0`
  }
  const client = registeredClient(app, options.redis)
  const policies = choosePolicies(settings, client !== undefined)
  const proofs = new Proofs(incarnation)
  const directory = chooseDirectory(app, client, settings, policies, node, proofs)
  const adopt = policies.orphan === 'adopt'
  const { heartbeat } = settings.node
  const unsent = new Unsent({ most: settings.stream.maxBuffered, keepAlive: settings.stream.keepAlive })
  const sessions = new Sessions({
    node,
    store: new SessionStore(settings.session),
    directory,
    lease: adopt ? new Lease({ node, life: BEATS.lease * heartbeat }) : undefined,
    onAdopt: settings.onAdopt,
    createServer: settings.createServer,
    makeTransport: transports(app, settings, unsent),
    limits: settings.session,
    log: app.log
  })
  const forwarder = policies.misroute === 'forward' || adopt ? new Forwarder({ tag: node.tag, unsent, proofs }) : undefined
  const disbelieved = { count: 0 }
  const owners = forwarder && new Owners({
    own: node.url,
    ask: question => askOwner(proofs, question),
    life: BEATS.key * heartbeat,
    unprovenTimeout: settings.node.unprovenTimeout,
    disbelieved,
    log: app.log
  })
  const adoption = adopt ? new Adoption({ sessions, directory, owners: owners!, log: app.log }) : undefined
  const frozenOwners = forwarder && new FrozenOwners({ forwarder, beat: heartbeat, log: app.log })
  const forwarded = { count: 0 }
  const underWay = { calls: new UnderWay(), streams: new UnderWay() }
  const hops = new Hops({ forwarder, frozenOwners, forwarded, underWay, lastWords: ownerLost })
  const delegation = new Delegation({ hops, directory, node })
  const missing = new Missing({ directory, owners, url: node.url })
  const affinity = new Affinity({ policies, sessions, directory, hops, delegation, missing, adoption, patience: BEATS.patience * heartbeat })
  const connections = connectionsOf(app.server)
  const drain = new Drain({ sessions, handOver: adopt, underWay, forwarder, connections, log: app.log })
  const refused = refusalCounters()
  app.decorate('mcpSessions', mcpSessions({ sessions, directory, refused, forwarded, disbelieved, drain: how => drain.run({ ...settings.drain, ...how }), log: app.log }))

  const receive: Receiver = (request, response) => {
    const receipt = response.hasHeader(PROOF) ? undefined : receiptOf(proofs, node.url, request)
    if (receipt !== undefined) response.setHeader(PROOF, receipt)
  }
  onReceived(app, receive)
  app.addHook('onReady', async () => {
    await sessions.start()
    // What is added last to avvio's queue is run first. So the node drains while Fastify still serves: in a preClose hook
    // every request is turned away already (return503OnClosing), and one that takes longer than pluginTimeout ends the process.
    // No grace: nobody who closes without a drain() has asked for one. Alone, a node has no others to send clients to.
    const avvio = app as unknown as Avvio
    avvio.onClose(async () => {
      const drained = await drain.run({ grace: 0, timeout: settings.drain.timeout })
      if (settings.node.url !== undefined) await drain.close(drained)
    })
  })
  app.addHook('preClose', async () => {
    // Between preClose and onClose Fastify waits for every connection, and a client may stall one as long as it likes.
    sessions.shutdown(CLOSE_BOUND).catch(error => app.log.error({ err: error }, 'ending the mcp sessions failed'))
    connections.closeSessions()
  })
  app.addHook('onClose', async () => {
    await sessions.shutdown(CLOSE_BOUND)
    await forwarder?.close()
    if (settings.eventStore !== undefined && 'stop' in settings.eventStore) (settings.eventStore as SessionEventStore).stop()
    app.log.info('mcp node is closed')
  })

  await app.register(mcpRoutes, {
    ...fastifyOptions(options),
    path: settings.path,
    routeOptions: settings.routeOptions,
    sessions,
    affinity,
    delegation,
    unsent,
    refuse: refuser(refused, receive),
    resumable: settings.eventStore !== undefined,
    forwards: forwarder !== undefined,
    principal: settings.principal,
    authInfo: settings.authInfo,
    forbidden: originGuard({
      allowedHosts: settings.allowedHosts,
      allowedOrigins: settings.allowedOrigins ?? [],
      loopbackOnly: settings.node.url === undefined ? loopbackOnly(app) : () => false
    })
  })
  const selfCheck = node.url === undefined ? undefined : new SelfCheck({ node, interval: heartbeat, log: app.log })
  await app.register(internalRoutes, { sessions, directory, proofs, selfCheck, leaves: adopt && policies.misroute === 'forward' })
  app.addHook('onReady', async () => {
    // Whoever makes it listen: app.listen or the application itself.
    if (app.server.listening) selfCheck?.start()
    else app.server.once('listening', () => selfCheck?.start())
  })
  app.addHook('onClose', async () => {
    selfCheck?.stop()
    owners?.stop()
  })
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

function chooseDirectory (app: FastifyInstance, client: RedisClient | undefined, settings: Settings, policies: Policies, node: NodeIdentity, secret: Proofs): SessionDirectory {
  const { ttl, idleTimeout } = settings.session
  const { heartbeat } = settings.node
  if (client !== undefined) {
    const path = `${app.prefix}${settings.prefix ?? ''}${settings.path}`
    return redisDirectory({
      client,
      node,
      keyPrefix: settings.keyPrefix,
      ttl,
      heartbeat,
      sweepAfter: idleTimeout + TOUCHED,
      options: { ...policies, 'node.heartbeat': heartbeat, path, eventStore: settings.eventStore !== undefined },
      secret,
      log: app.log
    })
  }
  app.log.info('fastify-mcp-sticky: no Redis, so the session directory is in memory and serves this one node; register @fastify/redis or set the option redis for more')
  return memoryDirectory({ node, ttl })
}

/** @throws PolicyUnavailableError where nodes would need to find each other in Redis. */
function choosePolicies ({ misroute, orphan, node }: Settings, shared: boolean): Policies {
  if (misroute === 'forward' && !shared) throw new PolicyUnavailableError('misroute', "'forward' needs Redis, where the nodes find each other; register @fastify/redis or set the option redis")
  if (orphan === 'adopt' && !shared) throw new PolicyUnavailableError('orphan', "'adopt' needs Redis, where sessions outlive their node; register @fastify/redis or set the option redis")
  return { misroute: misroute ?? (shared && node.url !== undefined ? 'forward' : 'reject'), orphan }
}

/** Transports of one node share their timers. */
function transports (app: FastifyInstance, settings: Settings, unsent: Unsent): (events: TransportEvents) => StreamableHttpTransport {
  const waits = new AnswerWait(settings.stream.wait)
  const keepAlive = new KeepAlive(settings.stream.keepAlive)
  return events => new StreamableHttpTransport({
    ...events,
    token: randomBytes(6).toString('base64url'),
    responseMode: settings.responseMode,
    ...(settings.stream.retry !== false && { retry: settings.stream.retry }),
    ...(settings.eventStore !== undefined && { eventStore: settings.eventStore }),
    waits,
    keepAlive,
    unsent,
    log: app.log
  })
}

/**
 * Serves MCP over Streamable HTTP, one session directory for all nodes.
 * `app.register(mcpSticky, { createServer })` adds the endpoint, the internal
 * paths below `/mcp-sticky`, and `app.mcpSessions` ({@link McpSessions}).
 * @throws at register: MCP_STICKY_ERR_OPTION, MCP_STICKY_ERR_POLICY_UNAVAILABLE,
 * MCP_STICKY_ERR_ALREADY_REGISTERED; when the application becomes ready:
 * MCP_STICKY_ERR_NODE_DUPLICATE. docs/errors.md says what each means.
 */
export const mcpSticky = fp(plugin, { fastify: '5.x', name: 'fastify-mcp-sticky' })
