import type { Cluster, Redis } from 'ioredis'
import { observe } from '../redis/observer.ts'
import type { LiveMessage, Observer } from '../redis/observer.ts'
import { redisKeys } from '../redis/keys.ts'
import type { RedisClient } from '../redis/client.ts'
import { UsageError } from './arguments.ts'
import type { Arguments } from './arguments.ts'

/** Names that are looked for by their beginning, at most. */
const NAMES = 20

/** Redis cannot be asked. */
export class NoConnection extends Error {}

interface Connection {
  observer: Observer
  namesOf: (beginning: string) => Promise<string[]>
  listen: (onMessage: (message: LiveMessage) => void, signal: AbortSignal) => Promise<void>
  client: Redis | Cluster
}

/** @throws NoConnection, UsageError for an address that is none */
export async function connectTo ({ redis, cluster, keyPrefix }: Arguments): Promise<Connection> {
  for (const url of redis) if (!/^rediss?:\/\/./.test(url) || !URL.canParse(url)) throw new UsageError('--redis: must be a URL, as in redis://user:password@host:6379 or rediss://host')
  const { Redis, Cluster } = await ioredis()
  const options = { lazyConnect: true, connectTimeout: 5000, maxRetriesPerRequest: 1 }
  const client = cluster
    ? new Cluster(redis, { lazyConnect: true, clusterRetryStrategy: () => null, redisOptions: options } as object)
    : new Redis(redis[0]!, { ...options, retryStrategy: () => null } as object)
  let why: unknown
  client.on('error', error => { why = error })
  try {
    await client.connect()
  } catch (error) {
    client.disconnect()
    throw new NoConnection(`Redis cannot be reached: ${wordsOf(why ?? error)}. Give its address with --redis, --redis-file or MCP_STICKY_REDIS.`)
  }
  const keys = redisKeys(keyPrefix)
  return {
    client,
    observer: await observe({ client: client as unknown as RedisClient, keyPrefix }),
    namesOf: beginning => namesOf(client, keys.trail(''), beginning),
    listen: (onMessage, signal) => listen(client, keys.live, onMessage, signal)
  }
}

export function closeConnection ({ observer, client }: Connection): void {
  observer.stop()
  client.disconnect()
}

/** Names that begin so, of sessions of which anything is known: by going through all keys, some seconds for millions. */
async function namesOf (client: Redis | Cluster, prefix: string, beginning: string): Promise<string[]> {
  const names = new Set<string>()
  const pattern = `${prefix.replace(/[*?[\]\\]/g, '\\$&')}${beginning}*`
  for (const server of 'nodes' in client ? client.nodes('master') : [client]) {
    for await (const keys of server.scanStream({ match: pattern, count: 1000 })) {
      for (const key of keys as string[]) names.add(key.slice(prefix.length))
      if (names.size >= NAMES) break
    }
  }
  return [...names].sort().slice(0, NAMES)
}

/** Hears a channel, over a connection of its own. @throws NoConnection when that is gone, or Redis does not let us */
async function listen (client: Redis | Cluster, channel: string, onMessage: (message: LiveMessage) => void, signal: AbortSignal): Promise<void> {
  const subscriber = (client as Redis).duplicate()
  subscriber.on('error', () => {})
  subscriber.on('message', (_channel, text: string) => {
    const message = messageIn(text)
    if (message !== undefined) onMessage(message)
  })
  try {
    await subscriber.connect()
    await subscriber.subscribe(channel)
    await new Promise<void>((resolve, reject) => {
      subscriber.once('end', () => reject(new Error('the connection is closed')))
      signal.addEventListener('abort', () => resolve(), { once: true })
      if (signal.aborted) resolve()
    })
  } catch (error) {
    throw new NoConnection(`Redis does not tell what nodes publish: ${wordsOf(error)}`)
  } finally {
    subscriber.disconnect()
  }
}

/** Others may publish there what they like. */
function messageIn (text: string): LiveMessage | undefined {
  let read: Partial<LiveMessage>
  try {
    read = Object(JSON.parse(text))
  } catch {
    return undefined
  }
  const { node, events, more = 0 } = read
  if (typeof node !== 'string' || !Array.isArray(events) || typeof more !== 'number') return undefined
  const told = (events as Array<Record<string, unknown> | null>).filter(event => typeof event?.['event'] === 'string' && typeof event['session'] !== 'object' && Math.abs(event['at'] as number) < 8.64e15) as object[]
  return { node, events: told, more }
}

/** The package is an application's to have. */
async function ioredis (): Promise<Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>> {
  try {
    return await import('ioredis')
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new NoConnection('This command asks Redis by the package ioredis, which is not installed here: npm install ioredis, or run it where an application with @fastify/redis is.')
  }
}

/** Never a url: there may be a password in it. */
function wordsOf (error: unknown): string {
  const { message, code, address, port } = Object(error) as { message?: string, code?: string, address?: string, port?: number }
  return code !== undefined && address !== undefined ? `${code} ${address}:${port}` : message || String(code ?? error)
}
