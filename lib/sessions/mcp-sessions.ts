import type { FastifyBaseLogger } from 'fastify'
import type { Counters, Readings } from '../counters.ts'
import { DirectoryUnavailableError, OptionError } from '../errors.ts'
import { endpointOf, keyAt } from '../endpoint-name.ts'
import { principalKey } from '../security/principal.ts'
import type { Principal } from '../security/principal.ts'
import { sessionName } from '../session-id.ts'
import type { Location, SessionDirectory } from '../directory/directory.ts'
import type { NodeStatus } from '../directory/node.ts'
import type { SessionRecord } from '../directory/record.ts'
import { routesOf } from '../directory/tag-table.ts'
import type { Route } from '../directory/tag-table.ts'
import { find, whereaboutsOf } from '../directory/find.ts'
import type { Finding } from '../directory/find.ts'
import type { Endpoint } from './endpoint.ts'
import type { LocalSession, McpSession } from './session.ts'
import type { Sessions } from './sessions.ts'

/** What came of taking a node out of service. */
export interface Drained {
  /** Sessions that were given up for other nodes to adopt. */
  handedOver: number
  /** Calls that were in flight when the grace was over, and were answered. */
  finished: number
  /** Calls that ended with an error, since the time was over. It counts on while the application closes. */
  lost: number
  /** Milliseconds that it took. */
  took: number
  /** Milliseconds of `drain.timeout` that were not needed. */
  left: number
}

/**
 * `app.mcpSessions`: the sessions of one endpoint, the one that was registered
 * first; those of another are to it as if they were not there. What is of the
 * node is the same for all: `node`, `nodes`, `routes` and `drain`.
 */
export interface McpSessions {
  /**
   * The same for the endpoint of this name (option `name`), on any of them.
   * @throws MCP_STICKY_ERR_OPTION where there is none
   */
  endpoint: (name: string) => McpSessions
  /** The endpoint's name. */
  readonly name: string
  /** The names of all endpoints of the application, the one that was registered first at the head. */
  readonly endpoints: readonly string[]
  /** Live sessions in this process. */
  readonly size: number
  /** This process, as the other nodes see it. The ids of sessions that are opened here begin with `tag`, or another tag of its url (option `node.tags`). */
  readonly node: Readonly<{ id: string, tag: string, url?: string }>
  /** Where the ops listener is (option `ops`), `http://host:port`: once the application is ready. Undefined: there is none. */
  readonly opsUrl: string | undefined
  /** What this process has done; for a metrics endpoint, say. */
  readonly counters: Counters
  /** How it fares now. It looks at every session of the endpoint, so ask for it once a scrape and not once a call. */
  readings: () => Readings
  /**
   * ADR-0066's has_session: whether the session lives in this process. Looks
   * here first, with no directory read. False for a session that only the
   * directory knows, with a warn line that says where it is; ids that nobody
   * knows are logged at debug. Never rejects.
   */
  has: (id: string) => Promise<boolean>
  /** The session, if it lives in this process. */
  get: (id: string) => McpSession | undefined
  /**
   * Where an id stands: here, on another live node, recorded with its node
   * gone, or nowhere. `node` is the owner: with its tag, and its url if it has
   * one, where it lives; absent for an unknown id.
   * @throws MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE
   */
  locate: (id: string) => Promise<{ status: 'local' | 'misrouted' | 'orphaned' | 'unknown', node?: { id: string, tag?: string, url?: string } }>
  /**
   * What became of a session, for operators: by its public name, which logs
   * have, or its id. Where it is, and its steps: opened, handed over, adopted,
   * ended and why, for `session.keepEnded` after the end.
   * @throws MCP_STICKY_ERR_OPTION, MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE
   */
  find: (nameOrId: string) => Promise<Finding>
  /**
   * One page of the sessions of all nodes, in no promised order. `limit` is 1
   * to 1000 (default 100); pass `cursor` on until there is none: a page may be
   * short, or empty, where other endpoints have sessions. One that is used
   * meanwhile may appear twice; none is left out.
   * @throws MCP_STICKY_ERR_OPTION, MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE
   */
  list: (page?: { cursor?: string, limit?: number }) => Promise<{ sessions: SessionRecord[], cursor?: string }>
  /**
   * The live nodes of the cluster, this one included, at most one heartbeat old.
   * @throws MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE
   */
  nodes: () => Promise<NodeStatus[]>
  /**
   * For a proxy: to which urls requests go by the tag that `Mcp-Session-Id`
   * begins with, as it is now. `version` goes up with every change
   * (milliseconds, by Redis' clock), so of two answers the one with the greater is the newer.
   * @throws MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE
   */
  routes: () => Promise<{ version: number, routes: Route[] }>
  /**
   * Ends a session on whichever node it lives, or all sessions of a principal.
   * Returns how many were found. While the directory can't be reached the
   * removal of one id is queued and counts; a principal's rejects once the
   * sessions of this process are ended.
   * @throws MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE, MCP_STICKY_ERR_PRINCIPAL
   */
  close: (which: string | { principal: Principal }) => Promise<number>
  /**
   * Takes this node out of service; await it before `app.close()`. The node
   * leaves the proxy's pool, after `drain.grace` takes no new sessions, calls in
   * flight get up to `drain.timeout`, then streams end. With `orphan: 'adopt'`
   * each session is given up as soon as it is idle, and goes on on the node that
   * its client asks next; else it ends with `app.close()`. `signal` cuts grace
   * and timeout short. Called again, it returns the same promise.
   */
  drain: (how?: { signal?: AbortSignal }) => Promise<Drained>
}

/** The public face of an endpoint's sessions. `faces`: of all endpoints, by name. */
export function mcpSessions ({ endpoint, faces, sessions, stateless, directory, drain, handsOver, ops, log }: {
  endpoint: Pick<Endpoint, 'name' | 'places' | 'counters'>
  faces: ReadonlyMap<string, McpSessions>
  sessions: Sessions
  /** The era without sessions, where it is served. */
  stateless?: { readonly inFlight: number } | undefined
  directory: Pick<SessionDirectory, 'readings' | 'list' | 'locate' | 'nodes' | 'peers' | 'stamp' | 'tags' | 'trails'>
  drain: McpSessions['drain']
  /** Whether others pass on, and take over, what is meant for a node that leaves. */
  handsOver: boolean
  /** The ops listener, where there is one. */
  ops?: { readonly url: string | undefined } | undefined
  log: FastifyBaseLogger
}): McpSessions {
  const { id, tag, url } = sessions.node
  const node = url === undefined ? { id, tag } : { id, tag, url }

  const { name } = endpoint
  const anybody = { endpoint: name }

  function here (id: string): LocalSession | undefined {
    const session = sessions.get(id)
    return session?.endpoint.name === name ? session : undefined
  }

  /** Another endpoint's is unknown. */
  async function locate (id: string): Promise<Location> {
    const found = await directory.locate(id)
    return found.status === 'unknown' || endpointOf(found.record.principal) === name ? found : { status: 'unknown' }
  }

  const whereIs: McpSessions['locate'] = async id => {
    return here(id) === undefined ? whereaboutsOf(await locate(id)) : { status: 'local', node }
  }

  async function closeAll (principal: Principal): Promise<number> {
    const key = keyAt(name, principalKey(principal))
    const ids = new Set<string>()
    for (const { id, principalKey } of sessions.values()) if (principalKey === key) ids.add(id)
    for (const local of ids) await sessions.close(local, anybody)
    let cursor: string | undefined
    do {
      const page = await directory.list({ cursor, limit: 1000 })
      for (const record of page.sessions) {
        if (record.principal !== key || ids.has(record.id)) continue
        if (await sessions.close(record.id, anybody) !== 'unknown') ids.add(record.id)
      }
      cursor = page.cursor
    } while (cursor !== undefined)
    return ids.size
  }

  /** This node answers, so it is a member, whether its first beat has come yet or not. */
  function withThis (routes: Route[]): Route[] {
    if (url === undefined || routes.some(route => route.url === url) || (sessions.draining && routes.length > 0)) return routes
    return [...routes, { url, tags: routes.some(({ tags }) => tags.includes(tag)) ? [] : [tag] }]
  }

  return {
    endpoint (name) {
      const face = faces.get(name)
      if (face === undefined) throw new OptionError('name', `is ${JSON.stringify(name)} for no endpoint of this application; it has ${[...faces.keys()].join(', ')}`)
      return face
    },
    name,
    get endpoints () { return [...faces.keys()] },
    get size () { return endpoint.places.taken },
    node,
    get opsUrl () { return ops?.url },
    counters: endpoint.counters,
    get: here,

    readings () {
      const sum = { streams: 0, calls: stateless?.inFlight ?? 0 }
      for (const { endpoint: { name: of }, transport } of sessions.values()) {
        if (of !== name) continue
        sum.streams += transport.streams
        sum.calls += transport.calls.size
      }
      return { ...sum, leased: sessions.leased, directory: directory.readings }
    },

    async has (id) {
      if (here(id) !== undefined) return true
      try {
        const { status, ...found } = await locate(id)
        if (status === 'unknown') log.debug({ session: sessionName(id) }, 'mcp session is unknown')
        else log.warn({ session: sessionName(id), status, owner: 'record' in found ? found.record.node : undefined }, `mcp session is ${status}: the directory knows it, this node does not hold it`)
      } catch (error) {
        if (!(error instanceof DirectoryUnavailableError)) throw error
        log.warn({ session: sessionName(id), err: error }, 'mcp session is not local, and the directory cannot say more')
      }
      return false
    },

    locate: whereIs,

    find: nameOrId => find({ name, sessions, trails: directory.trails, locate: whereIs }, nameOrId),

    async list ({ cursor, limit = 100 } = {}) {
      if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new OptionError('limit', 'must be a whole number from 1 to 1000')
      const page = await directory.list({ cursor, limit })
      return { ...page, sessions: page.sessions.filter(({ principal }) => endpointOf(principal) === name) }
    },

    nodes: () => directory.nodes(),

    async routes () {
      const [peers, table] = await Promise.all([directory.peers(false), directory.tags.read(true)])
      return { version: directory.stamp, routes: withThis(routesOf(peers, table, handsOver)) }
    },

    drain,

    async close (which) {
      if (typeof which === 'string') return await sessions.close(which, anybody) === 'unknown' ? 0 : 1
      return closeAll(which.principal)
    }
  }
}
