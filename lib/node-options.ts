import { OptionError } from './errors.ts'
import type { McpStickyOptions } from './options.ts'
import type { Settings } from './settings.ts'

/** Those of a node: what its first endpoint says holds for all. `redis` is one too, and is compared by the client that it means. */
const OF_NODE: Readonly<Record<string, (settings: Settings) => unknown>> = {
  keyPrefix: ({ keyPrefix }) => keyPrefix,
  misroute: ({ misroute }) => misroute,
  orphan: ({ orphan }) => orphan,
  'node.id': ({ node }) => node.id,
  'node.url': ({ node }) => node.url,
  'node.heartbeat': ({ node }) => node.heartbeat,
  'node.unprovenTimeout': ({ node }) => node.unprovenTimeout,
  'node.tags': ({ node }) => node.tags,
  'ops.host': ({ ops }) => ops?.host,
  'ops.port': ({ ops }) => ops?.port,
  'session.ttl': ({ session }) => session.ttl,
  'session.keepEnded': ({ session }) => session.keepEnded,
  'stream.maxBuffered': ({ stream }) => stream.maxBuffered,
  'stream.keepAlive': ({ stream }) => stream.keepAlive,
  'drain.grace': ({ drain }) => drain.grace,
  'drain.timeout': ({ drain }) => drain.timeout
}

/** The options of a further endpoint, with those of the node where they say nothing of them. `first`: what the first one came to. */
export function withNode (options: McpStickyOptions, first: Settings): McpStickyOptions {
  const { keyPrefix, misroute, orphan, ops, node, session: { ttl, keepEnded }, stream: { keepAlive, maxBuffered }, drain } = first
  return {
    keyPrefix,
    ...(misroute !== undefined && { misroute }),
    orphan,
    ...(ops !== undefined && { ops }),
    ...options,
    node: { ...given(node), ...options.node },
    session: { ttl, keepEnded, ...options.session },
    stream: { keepAlive, maxBuffered, ...options.stream },
    drain: { ...drain, ...options.drain }
  }
}

/**
 * That a further endpoint says nothing else of the node than the first.
 * @throws OptionError: the message names the option.
 */
export function assertSameNode (settings: Settings, first: Settings): void {
  for (const [name, of] of Object.entries(OF_NODE)) {
    if (of(settings) !== of(first)) throw new OptionError(name, `is of the node, and the endpoint ${first.name}, which was registered first, has set it to ${String(of(first))}; leave it out here`)
  }
}

function given ({ url, ...node }: Settings['node']): NonNullable<McpStickyOptions['node']> {
  return url === undefined ? node : { ...node, url }
}
