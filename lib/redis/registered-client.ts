import type { FastifyInstance } from 'fastify'
import { OptionError } from '../errors.ts'
import type { RedisClient } from './client.ts'

/**
 * The client that the option `redis` means: itself, the one that @fastify/redis
 * registered under that namespace, or `app.redis`. Undefined where there is none.
 * @throws OptionError
 */
export function registeredClient (app: FastifyInstance, redis: RedisClient | string | undefined): RedisClient | undefined {
  const registered = (app as { redis?: RedisClient | Record<string, RedisClient> }).redis
  if (typeof redis === 'string') {
    const client = (registered as Record<string, RedisClient> | undefined)?.[redis]
    if (!isClient(client)) throw new OptionError('redis', `names the namespace ${JSON.stringify(redis)}, which @fastify/redis has not registered; register it before this plugin`)
    return client
  }
  if (redis !== undefined) {
    if (!isClient(redis)) throw new OptionError('redis', 'must be an ioredis client or Cluster, or the name of a namespace of @fastify/redis')
    return redis
  }
  if (registered === undefined || isClient(registered)) return registered
  throw new OptionError('redis', `must name one of the namespaces that @fastify/redis has: ${Object.keys(registered).join(', ')}`)
}

function isClient (value: unknown): value is RedisClient {
  return typeof value === 'object' && value !== null && typeof (value as RedisClient).evalsha === 'function' && typeof (value as RedisClient).eval === 'function'
}
