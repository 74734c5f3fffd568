import type { FastifyBaseLogger, FastifyRequest, LogLevel, RouteShorthandOptions } from 'fastify'
import type { RedisClient } from './redis/client.ts'
import type { AuthInfo, Principal } from './security/principal.ts'
import type { AdoptedSession } from './sessions/adopted-session.ts'
import type { EventStore, McpServerLike } from './transport/mcp-server.ts'

/** What `createServer` is told about the session that it makes a server for. */
export interface NewSession {
  era: 'sessions'
  /** Whoever knows it can use an anonymous session: do not log it whole. */
  sessionId: string
  /** The initialize request, or the one that had this node adopt the session. Do not keep it. */
  request: FastifyRequest
  /** Whose session it is; undefined for an anonymous client. */
  principal: Principal | undefined
  /** A child of the application's logger that names the session, shortened. */
  readonly log: FastifyBaseLogger
}

/** What `createServer` is told about a request of the era without sessions (MCP 2026-07-28). */
export interface NewRequest {
  era: 'stateless'
  /** There is none. */
  sessionId?: undefined
  /** The request that the server is made for, and the only one that it serves. */
  request: FastifyRequest
  /** Who sent it; undefined for an anonymous client. */
  principal: Principal | undefined
  /** The logger of the request. */
  readonly log: FastifyBaseLogger
}

/** What the `createServer` of a `shared` server is told: it serves everybody, so there is no request and no principal. */
export interface SharedServer {
  /** The application's logger. */
  readonly log: FastifyBaseLogger
}

/** What holds for both kinds of {@link StatelessOptions}. */
export interface StatelessCommon {
  /**
   * Whether `server/discover` tells clients of the era, once all live nodes of
   * the endpoint serve it. False, on any one of them: it is refused on all, so
   * clients that connect open sessions, while those that speak the era already
   * are served: how to turn it off, or to try it first. Default true.
   */
  announce?: boolean
  /**
   * What `requestState` is sealed with, so that any node can take the next
   * round of a call that asks its client for input: at least 32 bytes each.
   * The first seals, all open. Default: one that the nodes make in Redis, or
   * without Redis one of this process.
   */
  secrets?: ReadonlyArray<string | Uint8Array>
  /** More requests in flight of one principal on this node are refused with 429. Default 1000; Infinity: no limit. */
  maxPerPrincipal?: number
}

/** The era without sessions on the same path: MCP 2026-07-28. */
export type StatelessOptions = StatelessCommon & ({
  /** A server for each request, which lives until its call has ended. The default. */
  servers?: 'each'
  /** Makes it. Default: the endpoint's `createServer`, with `era: 'stateless'`. */
  createServer?: (request: NewRequest) => McpServerLike | Promise<McpServerLike>
} | {
  /** One server object for all requests of this node. Callers come with each call, as `authInfo`. */
  servers: 'shared'
  /** Makes it: nothing in it may belong to a client. */
  createServer: (node: SharedServer) => McpServerLike | Promise<McpServerLike>
})

/**
 * What clients without a token are told: which resource this is, and where
 * tokens for it are to be had (RFC 9728; MCP 2025-11-25 and 2026-07-28,
 * Authorization). It checks no token: that is for a hook of the application.
 */
export interface OauthOptions {
  /**
   * The endpoint's url as clients have it, which is also the audience of its
   * tokens: absolute, https (http on localhost alone), without a fragment.
   * `https://mcp.example.com/mcp`
   */
  resource: string
  /** Issuers of its tokens, at least one: urls as for `resource`. */
  authorizationServers: readonly string[]
  /** Those that a client asks for at first. Default: nothing is said of scopes. */
  scopes?: readonly string[]
}

/** Options of `app.register(mcpSticky, …)`. Durations are milliseconds. `Server`: what `createServer` returns. */
export interface McpStickyOptions<Server extends McpServerLike = McpServerLike> {
  /**
   * Makes the MCP server of one session: an McpServer of
   * `@modelcontextprotocol/sdk` 1.x or `@modelcontextprotocol/server` 2.x.
   * One server a session: never return the same object twice. With the option
   * `stateless`, and no `createServer` there, it makes one for each stateless
   * request too: write its parameter as `NewSession | NewRequest`, and look at `era`.
   */
  createServer: (session: NewSession) => Server | Promise<Server>
  /**
   * Names the endpoint, where an application has several: register the plugin
   * once for each. Their sessions are apart: an id of one is unknown to the
   * others. [a-z0-9-]{1,32}, the same on all nodes. Default `default`; keep
   * that for the one whose sessions were there before the others.
   */
  name?: string
  /**
   * Serves clients without sessions too (MCP 2026-07-28), on the same path.
   * Default false: they are refused, and those that can fall back to sessions do.
   */
  stateless?: false | StatelessOptions
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
    /** Names this process among the nodes: [A-Za-z0-9._-]{1,64}. Default host name and pid, and from the second application of a process on its number. */
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
    /**
     * How many tags the ids of this node's sessions have, 1 to 64; nodes may
     * differ in it. When a node goes, the sessions of each tag go on on one other
     * node. Default 1, which is enough where a deploy gives new urls; 8 even
     * out what the others get where urls stay the same.
     */
    tags?: number
  }
  /**
   * Has metrics, health and the proxy's document on a port of their own, of
   * plain HTTP, outside the application and its hooks. It opens when the
   * application becomes ready, and closes last. `host`: default 127.0.0.1;
   * 0.0.0.0 for probes and Prometheus from elsewhere. `port`: 0 for any that is
   * free, see `app.mcpSessions.opsUrl`. Default: there is none, and they are on
   * the application.
   */
  ops?: { host?: string, port: number }
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
   * Its `server` has the type that `createServer` returns, where that stands
   * before it.
   */
  onAdopt?: (session: AdoptedSession<Server>) => unknown
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
    /**
     * For how long it is known of a session that has ended why, where and when, for
     * operators (`app.mcpSessions.find`): in milliseconds, one small key each. Default a day; 0: not at all.
     */
    keepEnded?: number
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
  /** What handlers get as `extra.authInfo` (1.x) or `ctx.http.authInfo` (2.x), and what `scopeChallenge` of tools, prompts and resources (2.x) is asked with. */
  authInfo?: (request: FastifyRequest) => AuthInfo | undefined | Promise<AuthInfo | undefined>
  /**
   * The endpoint takes OAuth tokens: its metadata are at
   * `/.well-known/oauth-protected-resource`, and every 401 leads there. Set
   * `principal` as well, and check tokens in a hook.
   */
  oauth?: OauthOptions
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
