import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { Adoption } from './affinity/adoption.ts'
import { Affinity } from './affinity/affinity.ts'
import { Delegation } from './affinity/delegation.ts'
import { askOwner } from './affinity/evidence/owner-question.ts'
import { Owners } from './affinity/evidence/owners.ts'
import { Eras } from './affinity/eras.ts'
import { Hops } from './affinity/hops.ts'
import { Missing } from './affinity/missing.ts'
import { BEATS } from './beats.ts'
import { newCounters } from './counters.ts'
import type { Counting } from './counters.ts'
import { CallsTold } from './events/calls-told.ts'
import { AlreadyRegisteredError } from './errors.ts'
import type { StickyNode } from './node.ts'
import type { McpStickyOptions } from './options.ts'
import { ownerLost, REASONS, refuser } from './routes/answers/refusal.ts'
import { mcpRoutes } from './routes/routes.ts'
import { loopbackOnly } from './security/loopback.ts'
import { originGuard } from './security/origin.ts'
import { protectedResource } from './security/protected-resource.ts'
import { Endpoint } from './sessions/endpoint.ts'
import { mcpSessions } from './sessions/mcp-sessions.ts'
import type { TransportEvents } from './sessions/server-builder.ts'
import type { Settings } from './settings.ts'
import { Stateless } from './stateless/stateless.ts'
import { AnswerWait } from './transport/calls/answer-wait.ts'
import { KeepAlive } from './transport/streams/keep-alive.ts'
import { StreamableHttpTransport } from './transport/transport.ts'

/**
 * Adds an endpoint to its node: a path with its own authentication, server
 * factory and limits, and all that must know to which endpoint a session belongs.
 * @throws AlreadyRegisteredError for a name or a path that another has
 */
export async function addEndpoint (app: FastifyInstance, node: StickyNode, options: McpStickyOptions, settings: Settings): Promise<void> {
  const { name } = settings
  const path = `${app.prefix}${settings.prefix ?? ''}${settings.path}`
  assertNew(node, name, path)
  const { sessions, directory, forwarder, identity, policies, unsent, proofs, events } = node
  const { heartbeat, unprovenTimeout } = settings.node
  const { log } = app
  const resource = settings.oauth && protectedResource(settings.oauth)
  const counters = newCounters(REASONS)
  const endpoint = new Endpoint({
    name,
    createServer: settings.createServer,
    makeTransport: transports(app, node, settings),
    onAdopt: settings.onAdopt,
    limits: settings.session,
    counters,
    log
  })
  const owners = forwarder && new Owners({
    endpoint: name,
    own: identity.url,
    ask: question => askOwner(proofs, question),
    life: BEATS.place * heartbeat,
    unprovenTimeout,
    counters,
    log
  })
  const adoption = policies.orphan === 'adopt' ? new Adoption({ endpoint: name, sessions, directory, owners: owners!, heirs: node.heirs, lives: node.lives, events }) : undefined
  const hops = new Hops({ endpoint: name, forwarder, frozenOwners: node.frozenOwners, counters, events, underWay: node.underWay, challenged: resource?.challenged, lastWords: ownerLost })
  const delegation = new Delegation({ endpoint: name, hops, directory, node: identity })
  const eras = new Eras({ endpoint: name, hops, directory, node: identity })
  const missing = new Missing({ endpoint: name, directory, owners, url: identity.url })
  const affinity = new Affinity({ endpoint: name, events, policies, sessions, directory, hops, delegation, missing, adoption, patience: BEATS.patience * heartbeat })
  const stateless = statelessOf(app, node, settings, counters)
  const face = mcpSessions({
    endpoint,
    faces: node.faces,
    sessions,
    stateless,
    directory,
    drain: how => node.drain.run({ ...settings.drain, ...how }),
    handsOver: node.heirs !== undefined,
    ops: node.ops,
    log
  })
  if (resource !== undefined) node.resourceMetadata.add(app, { endpoint: name, path, resource })
  node.add({ endpoint, settings, path, adoption, face, stop: () => owners?.stop() })

  await app.register(mcpRoutes, {
    ...fastifyOptions(options),
    endpoint: name,
    path: settings.path,
    routeOptions: settings.routeOptions,
    sessions,
    affinity,
    delegation,
    eras,
    unsent,
    stateless,
    refuse: refuser({ endpoint: name, counters, events, receive: node.receive }),
    resumable: settings.eventStore !== undefined,
    forwards: forwarder !== undefined,
    principal: settings.principal,
    authInfo: settings.authInfo,
    resource,
    forbidden: originGuard({
      allowedHosts: settings.allowedHosts,
      allowedOrigins: settings.allowedOrigins ?? [],
      loopbackOnly: settings.node.url === undefined ? loopbackOnly(app) : () => false
    })
  })
  const sign = settings.principal === undefined ? signOfTokens(app, settings) : undefined
  if (sign !== undefined) log.warn({ endpoint: name }, `fastify-mcp-sticky: ${sign} and principal is not, so a session answers to every caller who knows its id; set principal to bind it`)
}

/** What says that callers are told apart here: an option, or a plugin whose hook is before every route. */
function signOfTokens (app: FastifyInstance, { authInfo, oauth }: Settings): string | undefined {
  if (oauth !== undefined) return 'oauth is set'
  if (authInfo !== undefined) return 'authInfo is set'
  // Without its hook it has a decorator, and says nothing of this endpoint.
  return app.hasPlugin('@fastify/bearer-auth') && !app.hasDecorator('verifyBearerAuth') ? '@fastify/bearer-auth is registered' : undefined
}

function assertNew (node: StickyNode, name: string, path: string): void {
  if (node.endpoints.has(name)) throw new AlreadyRegisteredError(`the endpoint "${name}" is registered already; give this one another \`name\``)
  const there = node.at(path)
  if (there !== undefined) throw new AlreadyRegisteredError(`the endpoint "${there}" is registered already at ${path}; give this one another \`path\``)
}

/** What Fastify itself takes at register; a plugin that breaks out of encapsulation has to pass it on. */
function fastifyOptions ({ prefix, logLevel, logSerializers }: McpStickyOptions): Pick<McpStickyOptions, 'prefix' | 'logLevel' | 'logSerializers'> {
  return {
    ...(prefix !== undefined && { prefix }),
    ...(logLevel !== undefined && { logLevel }),
    ...(logSerializers !== undefined && { logSerializers })
  }
}

/** The era without sessions. The secret that the nodes share in Redis seals its states too, unless the application has its own. */
function statelessOf (app: FastifyInstance, { underWay, client, proofs, events }: StickyNode, { name, stateless, responseMode, stream }: Settings, counters: Counting): Stateless | undefined {
  if (stateless === false) return undefined
  const shared = client === undefined ? undefined : proofs
  return new Stateless({ ...stateless, endpoint: name, shared, node: { log: app.log }, responseMode, stream, underWay: underWay.calls, counters, events, log: app.log })
}

/** Transports of one endpoint share their timers. */
function transports (app: FastifyInstance, { unsent, events: told }: StickyNode, settings: Settings): (events: TransportEvents) => StreamableHttpTransport {
  const waits = new AnswerWait(settings.stream.wait)
  const keepAlive = new KeepAlive(settings.stream.keepAlive)
  return events => new StreamableHttpTransport({
    ...events,
    token: randomBytes(6).toString('base64url'),
    responseMode: settings.responseMode,
    told: new CallsTold({ events: told, endpoint: settings.name, sessionId: events.sessionId }),
    ...(settings.stream.retry !== false && { retry: settings.stream.retry }),
    ...(settings.eventStore !== undefined && { eventStore: settings.eventStore }),
    waits,
    keepAlive,
    unsent,
    log: app.log
  })
}
