import { DirectoryUnavailableError } from '../errors.ts'
import type { McpSessions } from '../sessions/mcp-sessions.ts'
import { dynamicConfiguration } from './dynamic-configuration.ts'
import type { TraefikOptions } from './options.ts'
import type { DynamicConfiguration } from './schema.ts'

export interface DocumentParts {
  mcpSessions: Pick<McpSessions, 'node' | 'nodes'>
  options: TraefikOptions
  log: { warn: (fields: object, message: string) => void, info: (message: string) => void }
}

/**
 * What Traefik is told about the cluster, from the node registry. While the
 * registry can't be read it is the last one again: Traefik would forget the
 * routes to nodes that are well. Undefined before the first, or when no node
 * has a url.
 */
export function clusterDocument ({ mcpSessions, options, log }: DocumentParts): () => Promise<DynamicConfiguration | undefined> {
  let last: DynamicConfiguration | undefined
  let readable = true

  async function read (): Promise<Array<{ url: string }>> {
    // This node answers, so it is a member, whether its first beat has come yet or not.
    const members = [mcpSessions.node, ...await mcpSessions.nodes()]
    return members.flatMap(({ url }) => url === undefined ? [] : [{ url }])
  }

  return async () => {
    try {
      const nodes = await read()
      if (!readable) log.info('the node registry can be read again')
      readable = true
      if (nodes.length > 0) last = dynamicConfiguration(nodes, options)
    } catch (err) {
      if (!(err instanceof DirectoryUnavailableError)) throw err
      if (readable) log.warn({ err }, 'the node registry cannot be read: Traefik keeps the nodes it was told last')
      readable = false
    }
    return last
  }
}
