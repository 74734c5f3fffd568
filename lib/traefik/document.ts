import { DirectoryUnavailableError } from '../errors.ts'
import type { McpSessions } from '../sessions/mcp-sessions.ts'
import { dynamicConfiguration } from './dynamic-configuration.ts'
import type { TraefikOptions } from './options.ts'
import type { DynamicConfiguration } from './schema.ts'

interface DocumentParts {
  mcpSessions: Pick<McpSessions, 'routes'>
  options: TraefikOptions
  log: { warn: (fields: object, message: string) => void, info: (message: string) => void }
}

/** What Traefik is told about the cluster. `version`: of two documents the one with the greater knows more; 0 where there is but one node. */
export interface ClusterDocument { version: number, configuration: DynamicConfiguration }

/**
 * What Traefik is told about the cluster, from the nodes and the table of tags
 * as they are now: all nodes say the same, and the version never goes back.
 * While they can't be read it is the last one again: Traefik would forget the
 * routes to nodes that are well. Undefined before the first, or when no node
 * has a url.
 */
export function clusterDocument ({ mcpSessions, options, log }: DocumentParts): () => Promise<ClusterDocument | undefined> {
  let last: ClusterDocument | undefined
  let readable = true
  let older = false

  return async () => {
    try {
      const { version, routes } = await mcpSessions.routes()
      if (!readable) log.info('the node registry can be read again')
      readable = true
      if (version < (last?.version ?? 0)) {
        if (!older) log.warn({ version, told: last?.version }, 'what is known of the nodes is older than what Traefik was told: it keeps that until there is news')
        older = true
      } else {
        if (routes.length > 0) last = { version, configuration: dynamicConfiguration(routes, options) }
        older = false
      }
    } catch (err) {
      if (!(err instanceof DirectoryUnavailableError)) throw err
      if (readable) log.warn({ err }, 'the node registry cannot be read: Traefik keeps the nodes it was told last')
      readable = false
    }
    return last
  }
}
