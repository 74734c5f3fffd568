import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { OptionError } from '../errors.ts'
import { plainPath } from '../option-checks.ts'
import { internalPath, PATHS } from '../http/internal-paths.ts'
import type { InternalHandler } from '../http/internal-paths.ts'
import { opsListenerOf } from '../http/ops-listener.ts'
import { bearerCheck } from './bearer.ts'
import { clusterDocument } from './document.ts'
import { readTraefikOptions } from './options.ts'
import type { TraefikOptions } from './options.ts'

/** Options of mcpStickyTraefik: `token`, and how the endpoint stands in Traefik. */
export interface TraefikHttpOptions extends TraefikOptions {
  /**
   * What Traefik sends as `Authorization: Bearer <token>` (at
   * `providers.http.headers`). The document names every node's address, so
   * leaving it open takes an explicit `false`.
   */
  token: string | false
  /** Where the document is, whatever prefix the plugin is registered with: on the ops listener, where there is one (option `ops` of mcpSticky), else on the application. Default `/mcp-sticky/traefik`. */
  path?: string
  /** Fastify's own: put before `path`. */
  prefix?: string
}

/** Of the document: goes up with each change of nodes and tags. */
const VERSION = 'mcp-sticky-version'
/** Seconds. Traefik's poller has a back-off of its own. */
const RETRY_AFTER = 1

async function plugin (app: FastifyInstance, options: TraefikHttpOptions): Promise<void> {
  const { token, path = PATHS.traefik, prefix: _, ...traefik } = options
  if (token !== false && (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))) {
    throw new OptionError('token', 'must be what Traefik sends as a bearer token, without spaces; `false` leaves the document open to everybody')
  }
  plainPath('path', path)
  readTraefikOptions(traefik)

  const authorized = token === false ? () => true : bearerCheck(token)
  const document = clusterDocument({ mcpSessions: app.mcpSessions, options: traefik, log: app.log })

  const answer: InternalHandler = async ({ headers }) => {
    if (!authorized(headers.authorization)) return { status: 401, headers: { 'www-authenticate': 'Bearer' }, body: { error: 'unauthorized' } }
    const told = await document()
    return told === undefined
      ? { status: 503, headers: { 'retry-after': RETRY_AFTER }, body: { error: 'no nodes are known yet' } }
      : { status: 200, headers: { [VERSION]: told.version }, body: told.configuration }
  }
  const ops = opsListenerOf(app)
  if (ops !== undefined) return ops.add(path, answer)
  // Over the socket past the application's hooks, which would ask Traefik for what it does not have.
  internalPath(app, path, answer)
}

/**
 * Serves the cluster's dynamic configuration to Traefik's HTTP provider. Its
 * bytes are the same while nodes and tags are, `Mcp-Sticky-Version` says of two which is newer; while the node registry can't be
 * read, it is the last one again. 401 without the token, 503 only before the
 * first. Register it after mcpSticky.
 * @throws MCP_STICKY_ERR_OPTION, at register: the message names the option.
 */
export const mcpStickyTraefik = fp(plugin, {
  fastify: '5.x',
  name: 'fastify-mcp-sticky-traefik',
  dependencies: ['fastify-mcp-sticky'],
  encapsulate: true
})
