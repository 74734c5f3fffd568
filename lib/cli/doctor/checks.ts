import { body33k, body4m } from './bodies.ts'
import type { Check } from './check.ts'
import { cors } from './cors.ts'
import type { Endpoint } from './endpoint.ts'
import type { Inside } from './inside.ts'
import { internalPaths } from './internal.ts'
import { clocks, forwarded, nodeOptions, nodesAlive, nodeUrls, nodeVersions } from './nodes.ts'
import { oauth } from './oauth.ts'
import { redisAcl, redisEviction, redisPersistence } from './redis.ts'
import { revisions } from './revisions.ts'
import { deletes, pingsWithCookies, pingsWithoutCookies, session, staleIds } from './session.ts'
import { events, longStream } from './streams.ts'
import { tls } from './tls.ts'

/** From outside, in order: `delete` ends the session that the others use. */
export const OUTSIDE: ReadonlyArray<Check<Endpoint>> = [
  tls, oauth, cors, internalPaths, session, pingsWithoutCookies, pingsWithCookies, staleIds, revisions, body33k, body4m, events, longStream, deletes
]

/** Of Redis itself. */
export const REDIS: ReadonlyArray<Check<Inside>> = [redisEviction, redisPersistence, redisAcl]

/** Of the nodes, as Redis and they themselves see them. */
export const NODES: ReadonlyArray<Check<Inside>> = [nodesAlive, nodeUrls, nodeOptions, nodeVersions, clocks, forwarded]
