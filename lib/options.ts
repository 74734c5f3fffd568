import type { FastifyBaseLogger, FastifyRequest, LogLevel, RouteShorthandOptions } from 'fastify'
import type { RedisClient } from './redis/client.ts'
import type { AuthInfo, Principal } from './security/principal.ts'
import type { AdoptedSession } from './sessions/arrival.ts'
import type { EventStore, McpServerLike } from './transport/mcp-server.ts'

/** What `createServer` is told about the session that it makes a server for. */
export interface NewSession {
  /** Whoever knows it can use an anonymous session: do not log it whole. */
  sessionId: string
  /** The initialize request, or the one that had this node adopt the session. Do not keep it. */
  request: FastifyRequest
  /** Whose session it is; undefined for an anonymous client. */
  principal: Principal | undefined
  /** A child of the application's logger that names the session, shortened. */
  readonly log: FastifyBaseLogger
}

/** Options of `app.register(mcpSticky, …)`. Durations are milliseconds. */
export interface McpStickyOptions {
  /**
   * Makes the MCP server of one session: an McpServer of
   * `@modelcontextprotocol/sdk` 1.x or `@modelcontextprotocol/server` 2.x.
   * One server a session: never return the same object twice.
   */
  createServer: (session: NewSession) => McpServerLike | Promise<McpServerLike>
  /** The MCP endpoint. Default `/mcp`. */
  path?: string
  /**
   * Where session records live: an ioredis client or Cluster of yours (never
   * waited for, never closed), or a namespace of @fastify/redis. Default
   * `app.redis`; without either, records are kept in memory, for one node.
   */
  redis?: RedisClient | string
  /** Prefix of every Redis key. Default `mcp:`. */
  keyPrefix?: string
  /** This process among the other nodes. */
  node?: {
    /** Names this process among the nodes: [A-Za-z0-9._-]{1,64}. Default host name and pid. */
    id?: string
    /** How the proxy and the other nodes reach this one: `http://10.0.0.1:3000`. */
    url?: string
    /** Interval of the heartbeat. A node counts as gone after three. Default 2000. */
    heartbeat?: number
    /**
     * A node that is missed in Redis keeps its sessions while something answers
     * at its url, even if that is no proof that it is the node: for this long at
     * most, where the node never reached itself there. Default 60000.
     */
    unprovenTimeout?: number
  }
  /**
   * What to do with a session that lives on another node. `forward`, the
   * default where `node.url` and Redis are there: pass the request on to it.
   * `reject`: 404 (ADR-0066).
   */
  misroute?: 'reject' | 'forward'
  /**
   * What to do with a session whose node is gone. `reject`, the default: 404
   * (ADR-0066). `adopt`: the node that is asked makes a new server with
   * `createServer`, replays what the client had told the lost one, and goes on.
   * Needs `node.url` and Redis.
   */
  orphan?: 'reject' | 'adopt'
  /**
   * Called with `orphan: 'adopt'` when a session was taken over, before its
   * first request is served: bring the new server to where the lost one stood.
   * An error counts as a failed adoption; after three the session is lost.
   */
  onAdopt?: (session: AdoptedSession) => unknown
  /**
   * `auto` (default): JSON when the answer is the first thing a handler says,
   * else SSE. `json`, `sse`: always that.
   */
  responseMode?: 'auto' | 'json' | 'sse'
  /** Streams, and what waits for the clients to take it. */
  stream?: {
    /** `auto` turns to SSE after a handler's silence this long. Default 1000. */
    wait?: number
    /** Interval of the comments that keep proxies from closing a silent stream. Default 15000. */
    keepAlive?: number
    /**
     * How long a client waits before it comes back to a stream that goes on,
     * told it (SSE `retry`) before the server ends the connection. Default
     * 1000; false: it is not told, for clients that know no such line.
     */
    retry?: number | false
    /**
     * Bytes that this node keeps for clients which have yet to take them, or
     * for the event store, all streams together. Beyond it the streams that
     * hold most are dropped, or go on without event ids. Default 128 MiB.
     */
    maxBuffered?: number
  }
  /** How long sessions live, and how many there may be. */
  session?: {
    /** Life of a record in the directory, renewed by use. Default 30 days (ADR-0066), at least 5 minutes. */
    ttl?: number
    /** A session without an open stream or a call in flight ends after this. Default 4 hours; Infinity: never. */
    idleTimeout?: number
    /** A session ends when its client never comes back after initialize. Default 60000; Infinity: never. */
    firstUseTimeout?: number
    /** More sessions are refused with 503 and Retry-After. Default 10000. */
    maxPerNode?: number
    /** More sessions of one principal on this node are refused with 429. Default 1000. */
    maxPerPrincipal?: number
  }
  /** How this node leaves: see `app.mcpSessions.drain()` and closeOnSignal. */
  drain?: {
    /** `drain()` keeps taking sessions this long, until the proxy has seen that the node left the pool. Default 2500: two health checks a second apart, and some. */
    grace?: number
    /** Calls in flight get this long to finish. Default 10000. */
    timeout?: number
  }
  /** Who sent a request. A session answers to the principal that opened it, and to nobody else. Default: everybody is anonymous. */
  principal?: (request: FastifyRequest) => Principal | null | undefined | Promise<Principal | null | undefined>
  /** What handlers get as `extra.authInfo` (1.x) or `ctx.http.authInfo` (2.x). */
  authInfo?: (request: FastifyRequest) => AuthInfo | undefined | Promise<AuthInfo | undefined>
  /** `Host` values that are served: `mcp.example.com` (any port) or with a port. Default: any, but loopback names alone while listening on loopback without `node.url`. */
  allowedHosts?: string[]
  /** `Origin` values that are served besides the request's own host: `https://app.example.com`. */
  allowedOrigins?: string[]
  /** Makes streams resumable: `redisEventStore({ redis })`, on any node, or an EventStore as the SDK defines it. */
  eventStore?: EventStore
  /** Fastify's own options for the route: onRequest, preHandler, config, bodyLimit (default 4 MiB) … */
  routeOptions?: RouteShorthandOptions
  /** Fastify's own: put before `path`. */
  prefix?: string
  /** Fastify's own: what is logged of requests to the endpoint. */
  logLevel?: LogLevel | 'silent'
  /** Fastify's own. */
  logSerializers?: Record<string, (value: any) => string>
}
