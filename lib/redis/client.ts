/**
 * What we use of an ioredis client. Redis and Cluster of ioredis both fit; our
 * types name only this, so that using the plugin without Redis needs no ioredis.
 */
export interface RedisClient {
  readonly status: string
  readonly isCluster: boolean
  readonly options: { keyPrefix?: string | undefined, host?: string | undefined, port?: number | undefined, path?: string | undefined, name?: string | undefined, sentinels?: ReadonlyArray<{ host?: string, port?: number }> | null | undefined }
  /** Called where the client is made with `lazyConnect` and nobody has. */
  connect: () => Promise<unknown>
  /** Every command of ours is a script on one key. */
  evalsha: (sha: string, keys: number, key: string, ...args: string[]) => Promise<unknown>
  /** A script that the server does not have yet. */
  eval: (lua: string, keys: number, key: string, ...args: string[]) => Promise<unknown>
  /** Connections that come and go are listened for. */
  on: (event: string, listener: (...args: any[]) => void) => unknown
  /** Ours are taken off again when the application closes. */
  off: (event: string, listener: (...args: any[]) => void) => unknown
}

/** One connection of a Cluster. */
export interface ClusterNode extends Pick<RedisClient, 'status' | 'on' | 'off'> {
  readonly options: { host?: string | undefined, port?: number | undefined }
}

/** What a Cluster has beyond that. */
export interface ClusterClient extends RedisClient {
  /** By slot: `host:port` of the master, then of its replicas. */
  readonly slots: string[][]
  nodes: (role: 'all') => ClusterNode[]
  refreshSlotsCache: () => void
}

export function isCluster (client: RedisClient): client is ClusterClient {
  return client.isCluster
}

/** Where Redis is, for people: what the client was made with, but for its secrets. */
export function addressOf (client: RedisClient): string {
  if (isCluster(client)) return ['a Cluster', ...client.nodes('all').map(({ options }) => `${options.host}:${options.port}`)].join(' ')
  const { host, port, path, name, sentinels } = client.options
  if (sentinels) return `${name}, by the Sentinels ${sentinels.map(({ host, port }) => `${host}:${port}`).join(', ')}`
  return path ?? `${host}:${port}`
}
