import { BEATS } from '../beats.ts'
import type { NodeIdentity } from '../directory/node.ts'
import { KEEP_ENDED } from '../directory/trails.ts'
import { Removals } from './clearing/removals.ts'
import { Sweeper } from './clearing/sweeper.ts'
import type { Events } from '../events/events.ts'
import { addressOf, type RedisClient } from './client.ts'
import { Failures } from './failures.ts'
import { OwnerCache } from '../shared-directory/owner-cache.ts'
import { RecordReader } from './finding/record-reader.ts'
import { redisKeys } from './keys.ts'
import { Availability, type Log } from './link/availability.ts'
import { Link, type LinkEvents } from './link/link.ts'
import { Unreadable } from './link/unreadable.ts'
import { CloseSet } from './nodes/close-set.ts'
import { LiveEvents } from './nodes/live-events.ts'
import { Loads } from './nodes/loads.ts'
import { Doubt } from '../shared-directory/doubt.ts'
import { Neighbours, type SharedOptions } from '../shared-directory/neighbours.ts'
import { NodeRegistry } from './nodes/node-registry.ts'
import { RedisTagTable } from './nodes/tag-table.ts'
import { OwnerBeats } from './nodes/owner-beats.ts'
import { RedisTrails } from './keeping/trails.ts'
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
  /** For how long it is known what became of a session that has ended, in milliseconds. Default a day. */
  keepEnded?: number | undefined
  /** Milliseconds between two beats. */
  heartbeat: number
  /** Records of dead nodes go when nobody has asked for them this long, in milliseconds; Infinity: when they expire. Asked in each round; nothing: they are left to that. */
  sweepAfter?: () => number
  /** What must be the same on all nodes, to be compared. */
  options?: SharedOptions
  /** What the nodes prove themselves to each other with. Nothing: they do not. */
  secret?: SecretKeeper
  /** Hears when Redis is lost, and when it is back. */
  events?: Events | undefined
  log: Log
}

export type Parts = ReturnType<typeof partsOf>

/** What the directory in Redis is made of before it starts. `events`: those of the connections, but for what the log says of them. */
export function partsOf (options: RedisDirectoryOptions, events: Pick<LinkEvents, 'masterGone' | 'answering' | 'reconnected'>) {
  const { client, node, keyPrefix, ttl, heartbeat, keepEnded = KEEP_ENDED, sweepAfter, options: shared, events: told, log } = options
  const availability = new Availability(log, told, () => addressOf(client))
  const doubt = new Doubt(BEATS.doubt * heartbeat)
  const failures = new Failures({ availability, doubt })
  const unreadable = new Unreadable(log)
  const keys = redisKeys(keyPrefix)
  const link = new Link(client, { ...events, lost: why => availability.lost(why), regained: () => availability.regained() })
  const parts = { link, keys, node, ttl, heartbeat, log, availability, doubt, failures, unreadable, onFailed: (err: unknown) => failures.failed(err) }
  const registry = new NodeRegistry({ ...parts, options: shared, neighbours: new Neighbours(shared, log) })
  const loads = new Loads(parts)
  const tags = new RedisTagTable(parts)
  const trails = new RedisTrails({ ...parts, keepEnded, onFailed: err => availability.failed(err) })
  const reader = new RecordReader({ ...parts, registry, tags })
  const nodes = async () => ({ ids: await registry.ids(), live: await registry.now() })
  const forget = async (id: string) => {
    await registry.forget(id)
    await loads.drop([id])
  }
  return {
    ...parts,
    registry,
    loads,
    tags,
    trails,
    liveEvents: new LiveEvents({ ...parts, node: node.id, onFailed: err => availability.failed(err) }),
    reader,
    ownerBeats: new OwnerBeats({ ...parts, registry }),
    ownerCache: new OwnerCache(),
    removals: new Removals({ ...parts, reader, trails }),
    closeSet: new CloseSet(link, keys, node.id, unreadable),
    sweeper: sweepAfter && new Sweeper({ ...parts, get after () { return sweepAfter() }, interval: SWEEP, nodes, forget, trails, swept: () => tags.keep(() => registry.ids()) })
  }
}
