import { BEATS } from '../beats.ts'
import type { NodeIdentity } from '../directory/node.ts'
import { Removals } from './clearing/removals.ts'
import { Sweeper } from './clearing/sweeper.ts'
import type { RedisClient } from './client.ts'
import { Failures } from './failures.ts'
import { OwnerCache } from './finding/owner-cache.ts'
import { RecordReader } from './finding/record-reader.ts'
import { redisKeys } from './keys.ts'
import { Availability, type Log } from './link/availability.ts'
import { Link, type LinkEvents } from './link/link.ts'
import { Unreadable } from './link/unreadable.ts'
import { CloseSet } from './nodes/close-set.ts'
import { Doubt } from './nodes/doubt.ts'
import { Neighbours, type SharedOptions } from './nodes/neighbours.ts'
import { NodeRegistry } from './nodes/node-registry.ts'
import { OwnerBeats } from './nodes/owner-beats.ts'
import type { SecretKeeper } from './nodes/shared-secret.ts'

/** Milliseconds between two looks at what dead nodes have left. */
const SWEEP = 60_000

export interface RedisDirectoryOptions {
  /** The user's client; it is never closed. */
  client: RedisClient
  node: NodeIdentity
  keyPrefix: string
  /** Life of a record, in milliseconds. */
  ttl: number
  /** Milliseconds between two beats. */
  heartbeat: number
  /** Records of dead nodes go when nobody has asked for them this long, in milliseconds; Infinity or nothing: when they expire. */
  sweepAfter?: number
  /** What must be the same on all nodes, to be compared. */
  options?: SharedOptions
  /** What the nodes prove themselves to each other with. Nothing: they do not. */
  secret?: SecretKeeper
  log: Log
}

export type Parts = ReturnType<typeof partsOf>

/** What the directory in Redis is made of before it starts. `events`: those of the connections, but for what the log says of them. */
export function partsOf (options: RedisDirectoryOptions, events: Pick<LinkEvents, 'masterGone' | 'answering' | 'reconnected'>) {
  const { client, node, keyPrefix, ttl, heartbeat, sweepAfter = Infinity, options: shared, log } = options
  const availability = new Availability(log)
  const doubt = new Doubt(BEATS.doubt * heartbeat)
  const failures = new Failures({ availability, doubt })
  const unreadable = new Unreadable(log)
  const keys = redisKeys(keyPrefix)
  const link = new Link(client, { ...events, lost: why => availability.lost(why), regained: () => availability.regained() })
  const parts = { link, keys, node, ttl, heartbeat, log, availability, doubt, failures, unreadable, onFailed: (err: unknown) => failures.failed(err) }
  const registry = new NodeRegistry({ ...parts, options: shared, neighbours: new Neighbours(shared, log) })
  const reader = new RecordReader({ ...parts, registry })
  const nodes = async () => ({ ids: await registry.ids(), live: await registry.alive() })
  return {
    ...parts,
    registry,
    reader,
    watch: new OwnerBeats({ ...parts, registry }),
    owners: new OwnerCache(),
    removals: new Removals({ ...parts, reader }),
    closeSet: new CloseSet(link, keys, node.id, unreadable),
    sweeper: sweepAfter === Infinity ? undefined : new Sweeper({ ...parts, after: sweepAfter, interval: SWEEP, nodes })
  }
}
