import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { BEATS } from './beats.ts'
import type { Adoption } from './affinity/adoption.ts'
import { FrozenOwners } from './affinity/evidence/frozen-owners.ts'
import { lookAt } from './affinity/evidence/look.ts'
import { SelfCheck } from './affinity/evidence/self-check.ts'
import { askToTake } from './affinity/evidence/take-question.ts'
import { Forwarder } from './affinity/forwarding/forwarder.ts'
import { receiptOf } from './affinity/forwarding/hop-proof.ts'
import { Heirs } from './affinity/heirs.ts'
import type { Policies } from './affinity/misroute.ts'
import { TagKeeper } from './affinity/tag-keeper.ts'
import type { SessionDirectory } from './directory/directory.ts'
import type { Look } from './directory/look.ts'
import { memoryDirectory } from './directory/memory-directory.ts'
import { memorySpace } from './directory/memory-space.ts'
import { newIdentity } from './directory/node.ts'
import type { NodeIdentity } from './directory/node.ts'
import { DEFAULT_ENDPOINT } from './endpoint-name.ts'
import { OptionError } from './errors.ts'
import { NodeEvents } from './events/events.ts'
import { Lives } from './events/lives.ts'
import { tracingOf } from './events/tracing.ts'
import { ENDPOINT, PROOF } from './http/between-nodes.ts'
import { onReceived } from './http/internal-paths.ts'
import { addOpsListener } from './http/ops-listener.ts'
import type { OpsListener } from './http/ops-listener.ts'
import type { Receiver } from './http/internal-paths.ts'
import { UnderWay } from './http/under-way.ts'
import { Unsent } from './http/unsent.ts'
import type { McpStickyOptions } from './options.ts'
import type { RedisClient } from './redis/client.ts'
import { registeredClient } from './redis/registered-client.ts'
import { redisDirectory } from './redis/session-directory.ts'
import { internalRoutes } from './routes/internal.ts'
import { ResourceMetadata } from './routes/resource-metadata.ts'
import { Proofs } from './security/proofs.ts'
import type { Endpoint } from './sessions/endpoint.ts'
import { Lease } from './sessions/lease.ts'
import type { McpSessions } from './sessions/mcp-sessions.ts'
import { Sessions } from './sessions/sessions.ts'
import { choosePolicies } from './settings.ts'
import type { Settings } from './settings.ts'
import { connectionsOf } from './shutdown/connections.ts'
import { Drain } from './shutdown/drain.ts'
import type { SessionEventStore } from './transport/mcp-server.ts'
import { version } from './version.ts'

/** How long onClose may take, for the sessions and for the directory alike. */
const CLOSE_BOUND = 5000
/** Records say within minutes when a session was used last. */
const TOUCHED = 10 * 60_000

/** What an endpoint adds to its node. */
export interface NodeEndpoint {
  endpoint: Endpoint
  settings: Settings
  /** The path, with all prefixes. */
  path: string
  adoption: Adoption | undefined
  face: McpSessions
  /** What is to be done when the application closes. */
  stop: () => void
}

/** The application as avvio, which boots and closes it, has it. */
interface Avvio { onClose: (handler: () => Promise<void>) => unknown }

/** Nodes by the servers of their applications: registrations in different contexts of one application meet here. */
const nodes = new WeakMap<Server, StickyNode>()

/** The node of an application, where an endpoint is registered already. */
export function nodeOf (app: FastifyInstance): StickyNode | undefined {
  return nodes.get(app.server as Server)
}

/**
 * What an application has once, however many endpoints it serves: an identity
 * among the nodes, a directory with its heartbeat, the way to the other nodes,
 * the internal paths, and the drain.
 */
export class StickyNode {
  /** What the first endpoint's options came to; those of the node hold for all. */
  readonly first: Settings
  readonly policies: Policies
  readonly identity: NodeIdentity
  readonly events: NodeEvents
  readonly lives: Lives
  readonly client: RedisClient | undefined
  readonly directory: SessionDirectory
  readonly proofs: Proofs
  readonly sessions: Sessions
  readonly unsent: Unsent
  readonly forwarder: Forwarder | undefined
  readonly frozenOwners: FrozenOwners | undefined
  readonly heirs: Heirs | undefined
  readonly underWay = { calls: new UnderWay(), streams: new UnderWay() }
  readonly drain: Drain
  readonly ops: OpsListener | undefined
  /** `app.mcpSessions` of each endpoint, by name. */
  readonly faces = new Map<string, McpSessions>()
  readonly endpoints = new Map<string, Endpoint>()
  readonly resourceMetadata = new ResourceMetadata(() => this.endpoints.size)
  readonly #parts = new Map<string, NodeEndpoint>()
  readonly #tagKeeper: TagKeeper | undefined
  readonly #selfCheck: SelfCheck | undefined
  readonly #connections: ReturnType<typeof connectionsOf>

  /** @throws OptionError, PolicyUnavailableError */
  constructor (app: FastifyInstance, options: McpStickyOptions, settings: Settings) {
    const { log } = app
    assertHttp1(app, settings)
    this.client = registeredClient(app, options.redis)
    this.policies = choosePolicies(settings, this.client !== undefined)
    this.first = { ...settings, misroute: this.policies.misroute }
    const node = this.identity = newIdentity({ ...settings.node, endpoints: {} })
    const events = this.events = new NodeEvents({ node: node.id, log, tracing: tracingOf(app.server) })
    const proofs = this.proofs = new Proofs(node.incarnation)
    const directory = this.directory = this.#chooseDirectory(app)
    const lives = this.lives = new Lives({ node: node.id, events, trails: directory.trails })
    const idle = (): number => this.#idle
    const adopt = this.policies.orphan === 'adopt'
    const { heartbeat } = settings.node
    this.unsent = new Unsent({ most: settings.stream.maxBuffered, keepAlive: settings.stream.keepAlive })
    const sessions = this.sessions = new Sessions({
      node,
      endpoints: this.endpoints,
      directory,
      lease: adopt ? new Lease({ node, life: BEATS.lease * heartbeat }) : undefined,
      lives,
      drainAsked: () => { this.drain.run(settings.drain).catch(err => log.error({ err }, 'the drain that an operator asked for failed')) },
      look: () => this.#look(),
      log
    })
    const forwarder = this.forwarder = this.policies.misroute === 'forward' || adopt ? new Forwarder({ tag: node.tag, unsent: this.unsent, proofs }) : undefined
    this.frozenOwners = forwarder && new FrozenOwners({ forwarder, beat: heartbeat, log })
    this.heirs = adopt && this.policies.misroute === 'forward'
      ? new Heirs({ node, directory, sessions, ask: (url, ids, endpoint) => askToTake(proofs, url, ids, endpoint), log })
      : undefined
    this.#tagKeeper = this.heirs && new TagKeeper({ node, directory, sessions, heartbeat, get idleTimeout () { return idle() }, log })
    this.#selfCheck = node.url === undefined ? undefined : new SelfCheck({ node, interval: heartbeat, log })
    this.ops = settings.ops && addOpsListener(app, settings.ops)
    this.#connections = connectionsOf(app.server)
    this.drain = new Drain({ sessions, handOver: adopt, underWay: this.underWay, forwarder, connections: this.#connections, heirs: this.heirs, beat: heartbeat, events, log })
  }

  /** An endpoint that is registered before the application is ready. */
  add (parts: NodeEndpoint): void {
    const { endpoint: { name }, path, face } = parts
    this.#parts.set(name, parts)
    this.faces.set(name, face)
    this.endpoints.set(name, parts.endpoint)
    this.identity.endpoints[name] = path
    const { stateless } = parts.settings
    if (stateless === false) return
    this.identity.stateless.push(name)
    if (!stateless.announce) this.identity.unannounced.push(name)
  }

  /** The name of the endpoint at this path, if there is one. */
  at (path: string): string | undefined {
    return [...this.#parts.values()].find(parts => parts.path === path)?.endpoint.name
  }

  /** Sets the receipt for another node: only for what it has passed on for an endpoint that is here. */
  readonly receive: Receiver = (request, response) => {
    if (response.hasHeader(PROOF) || !this.endpoints.has(String(request.headers[ENDPOINT] ?? DEFAULT_ENDPOINT))) return
    const receipt = receiptOf(this.proofs, this.identity.url, request)
    if (receipt !== undefined) response.setHeader(PROOF, receipt)
  }

  /** Makes it part of the application: its internal paths, and what it does when that is ready, and when it closes. */
  async join (app: FastifyInstance): Promise<void> {
    const { sessions, directory, proofs } = this
    nodes.set(app.server as Server, this)
    onReceived(app, this.receive)
    app.addHook('onReady', async () => this.#start(app))
    app.addHook('preClose', async () => {
      // Between preClose and onClose Fastify waits for every connection, and a client may stall one as long as it likes.
      sessions.shutdown(CLOSE_BOUND).catch(error => app.log.error({ err: error }, 'ending the mcp sessions failed'))
      this.#connections.closeSessions()
    })
    app.addHook('onClose', async () => this.#close(app))
    const selfCheck = this.#selfCheck
    await app.register(internalRoutes, { sessions, directory, proofs, selfCheck, adoptionAt: name => this.#parts.get(name)?.adoption, behindOthers: this.heirs !== undefined })
  }

  async #start (app: FastifyInstance): Promise<void> {
    const { sessions, drain, first, ops } = this
    await ops?.listen()
    await sessions.start()
    await this.#tagKeeper?.start()
    // What is added last to avvio's queue is run first. So the node drains while Fastify still serves: in a preClose hook
    // every request is turned away already (return503OnClosing), and one that takes longer than pluginTimeout ends the process.
    // No grace: nobody who closes without a drain() has asked for one. Alone, a node has no others to send clients to.
    const avvio = app as unknown as Avvio
    avvio.onClose(async () => {
      const drained = await drain.run({ grace: 0, timeout: first.drain.timeout })
      if (first.node.url !== undefined) await drain.close(drained)
    })
    // Whoever makes it listen: app.listen or the application itself.
    if (app.server.listening) this.#selfCheck?.start()
    else app.server.once('listening', () => this.#selfCheck?.start())
  }

  /** What an operator is told: how this node fares with the others. */
  async #look (): Promise<Look> {
    const forwarded = [...this.faces.values()].reduce((sum, { counters }) => sum + counters.forwarded, 0)
    return { version: version(), forwarded, sees: await lookAt(this.proofs, this.identity, await this.directory.nodes()) }
  }

  async #close (app: FastifyInstance): Promise<void> {
    const all = [...this.#parts.values()]
    this.#selfCheck?.stop()
    this.#tagKeeper?.stop()
    for (const { stop } of all) stop()
    try {
      await this.sessions.shutdown(CLOSE_BOUND)
      await this.forwarder?.close()
      for (const store of new Set(all.map(({ settings }) => settings.eventStore))) if (store !== undefined && 'stop' in store) (store as SessionEventStore).stop()
    } finally {
      await this.ops?.close()
    }
    app.log.info('mcp node is closed')
  }

  #chooseDirectory (app: FastifyInstance): SessionDirectory {
    const { first: { keyPrefix, prefix = '', path, eventStore, session: { ttl, keepEnded }, node: { heartbeat } }, policies, identity: node, client, proofs: secret } = this
    if (client === undefined) {
      app.log.info('fastify-mcp-sticky: no Redis, so the session directory is in memory and serves this one node; register @fastify/redis or set the option redis for more')
      return memoryDirectory({ node, ttl, space: memorySpace(keepEnded) })
    }
    const options = { ...policies, 'node.heartbeat': heartbeat, path: `${app.prefix}${prefix}${path}`, eventStore: eventStore !== undefined }
    return redisDirectory({ client, node, keyPrefix, ttl, keepEnded, heartbeat, sweepAfter: () => this.#idle + TOUCHED, options, secret, events: this.events, log: app.log })
  }

  /** For how long a session of any endpoint may be idle, in milliseconds. */
  get #idle (): number {
    return Math.max(...[...this.endpoints.values()].map(({ limits }) => limits.idleTimeout))
  }
}

/** @throws OptionError */
function assertHttp1 (app: FastifyInstance, settings: Settings): void {
  const { http2, https } = app.initialConfig
  if (settings.node.url !== undefined && http2 === true && !(typeof https === 'object' && https.allowHTTP1)) {
    throw new OptionError('node.url', 'is of a server that speaks HTTP/2 alone, and nodes reach each other with HTTP/1.1; give Fastify the option https.allowHTTP1')
  }
}
