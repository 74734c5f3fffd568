import type { FastifyBaseLogger } from 'fastify'
import { DirectoryUnavailableError, OptionError } from '../errors.ts'
import { principalKey } from '../security/principal.ts'
import type { Principal } from '../security/principal.ts'
import { shortId } from '../session-id.ts'
import type { SessionDirectory } from '../directory/directory.ts'
import type { NodeStatus } from '../directory/node.ts'
import type { SessionRecord } from '../directory/record.ts'
import type { EndReason } from './departure.ts'
import type { McpSession } from './session.ts'
import type { Sessions } from './sessions.ts'

/** Counts since the process started. */
export interface Counters {
  /** Sessions that clients have initialized here. */
  opened: number
  /** Sessions taken over from nodes that were gone. */
  adopted: number
  /** Requests that another node has answered. */
  forwarded: number
  /** Owners that were taken for gone though something that is no proof of them answered at their url. */
  disbelieved: number
  /** By why they ended. */
  ended: Readonly<Record<EndReason, number>>
  /** By `data.reason` of the answer: every reason that there is, see docs/errors.md. */
  refused: Readonly<Record<string, number>>
}

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

/** `app.mcpSessions`. */
export interface McpSessions {
  /** Live sessions in this process. */
  readonly size: number
  /** This process, as the other nodes see it. The ids of sessions that are opened here begin with `tag`. */
  readonly node: Readonly<{ id: string, tag: string, url?: string }>
  /** What this process has done; for a metrics endpoint, say. */
  readonly counters: Counters
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
   * One page of the sessions of all nodes, in no promised order. `limit` is 1
   * to 1000 (default 100); pass `cursor` on until there is none. A session that
   * is used meanwhile may appear twice; none is left out.
   * @throws MCP_STICKY_ERR_OPTION, MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE
   */
  list: (page?: { cursor?: string, limit?: number }) => Promise<{ sessions: SessionRecord[], cursor?: string }>
  /**
   * The live nodes of the cluster, this one included, at most one heartbeat old.
   * @throws MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE
   */
  nodes: () => Promise<NodeStatus[]>
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

/** The public face of the sessions. */
export function mcpSessions ({ sessions, directory, refused, forwarded, disbelieved, drain, log }: {
  sessions: Sessions
  directory: Pick<SessionDirectory, 'list' | 'locate' | 'nodes'>
  refused: Record<string, number>
  forwarded: { count: number }
  disbelieved: { count: number }
  drain: McpSessions['drain']
  log: FastifyBaseLogger
}): McpSessions {
  const { id, tag, url } = sessions.node
  const node = url === undefined ? { id, tag } : { id, tag, url }

  async function closeAll (principal: Principal): Promise<number> {
    const key = principalKey(principal)
    const ids = new Set<string>()
    for (const local of sessions.ids()) {
      if (sessions.record(local)?.principal === key) ids.add(local)
    }
    for (const local of ids) await sessions.close(local, 'any')
    let cursor: string | undefined
    do {
      const page = await directory.list({ cursor, limit: 1000 })
      for (const record of page.sessions) {
        if (record.principal !== key || ids.has(record.id)) continue
        if (await sessions.close(record.id, 'any') !== 'unknown') ids.add(record.id)
      }
      cursor = page.cursor
    } while (cursor !== undefined)
    return ids.size
  }

  return {
    get size () { return sessions.size },
    node,
    counters: { get opened () { return sessions.opened }, get adopted () { return sessions.adopted }, get forwarded () { return forwarded.count }, get disbelieved () { return disbelieved.count }, ended: sessions.ended, refused },
    get: id => sessions.get(id),

    async has (id) {
      if (sessions.has(id)) return true
      try {
        const { status, ...found } = await directory.locate(id)
        if (status === 'unknown') log.debug({ session: shortId(id) }, 'mcp session is unknown')
        else log.warn({ session: shortId(id), status, owner: 'record' in found ? found.record.node : undefined }, `mcp session is ${status}: the directory knows it, this node does not hold it`)
      } catch (error) {
        if (!(error instanceof DirectoryUnavailableError)) throw error
        log.warn({ session: shortId(id), err: error }, 'mcp session is not local, and the directory cannot say more')
      }
      return false
    },

    async locate (id) {
      if (sessions.has(id)) return { status: 'local', node }
      const found = await directory.locate(id)
      if (found.status === 'unknown') return { status: 'unknown' }
      if (found.status === 'orphaned') return { status: 'orphaned', node: { id: found.record.node } }
      const { record, tag, url } = found
      return { status: 'misrouted', node: { id: record.node, tag, ...(url !== undefined && { url }) } }
    },

    async list ({ cursor, limit = 100 } = {}) {
      if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new OptionError('limit', 'must be a whole number from 1 to 1000')
      return directory.list({ cursor, limit })
    },

    nodes: () => directory.nodes(),
    drain,

    async close (which) {
      if (typeof which === 'string') return await sessions.close(which, 'any') === 'unknown' ? 0 : 1
      return closeAll(which.principal)
    }
  }
}
