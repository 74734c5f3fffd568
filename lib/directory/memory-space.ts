import { FORMAT } from '../format.ts'
import { adoptionPause } from './adoption-pauses.ts'
import type { LocalNode } from './directory.ts'
import type { NodeIdentity, NodeStatus } from './node.ts'
import type { SessionRecord } from './record.ts'
import type { Holder, Peer, TagTable } from './tag-table.ts'
import { KEEP_ENDED, memoryTrails } from './trails.ts'
import type { Trails } from './trails.ts'

/** A node of a memory space. */
export interface MemoryNode { node: NodeIdentity, local: LocalNode }

/** `failedAt`: when a failed adoption was last counted (performance.now()). */
export interface MemoryRecord extends SessionRecord { failedAt?: number }

/** What memory directories of one process can share. */
export interface MemorySpace {
  records: Map<string, MemoryRecord>
  /** The live nodes by id. One that is taken out is gone for the others, until it beats again. */
  nodes: Map<string, MemoryNode>
  /** By tag, however long ago. */
  lastSeen: Map<string, MemoryNode>
  /** Who holds which tag. */
  holders: Map<string, Holder>
  trails: Trails
}

/** `keepEnded`: for how long it is known what became of a session that has ended, in milliseconds. */
export function memorySpace (keepEnded = KEEP_ENDED): MemorySpace {
  return { records: new Map(), nodes: new Map(), lastSeen: new Map(), holders: new Map(), trails: memoryTrails(keepEnded) }
}

/** One that was seen released must be so still: its owner may have taken it back under the same epoch. */
export function isAsSeen (record: SessionRecord, seen: SessionRecord): boolean {
  return record.node === seen.node && record.epoch === seen.epoch && (record.released === true || seen.released !== true)
}

/** Whether a record is this process's. */
export function owns ({ id, incarnation }: NodeIdentity, { node, epoch, released }: SessionRecord): boolean {
  return node === id && epoch.startsWith(`${incarnation}.`) && released !== true
}

/** Milliseconds for which no other adoption is to be tried. */
export function pauseOf ({ adoptionFailures, failedAt }: MemoryRecord): number {
  return failedAt === undefined ? 0 : adoptionPause(adoptionFailures, performance.now() - failedAt)
}

/** A record as it is handed out. */
export function shown (record: MemoryRecord): SessionRecord {
  const { failedAt: _failedAt, ...rest } = record
  return { ...rest, adoptionPause: pauseOf(record) }
}

/** A node as the others see it. */
export function statusOf ({ node: { id, url, tag, endpoints, stateless, unannounced }, local }: MemoryNode): NodeStatus {
  const state = local.draining ? 'draining' : 'up'
  return { id, url, tag, state, sessions: local.size, room: local.draining ? 0 : local.room, format: FORMAT, endpoints, ...stateless.length > 0 && { stateless }, ...unannounced.length > 0 && { unannounced } }
}

/** The same with what matters to who names another holder of a tag. */
export function peerOf (memory: MemoryNode): Peer {
  const { node: { incarnation, started, tags }, local: { tagged } } = memory
  return { ...statusOf(memory), incarnation, started, tags, tagged }
}

/** The table of tags of the nodes in a space. */
export function memoryTags ({ holders }: MemorySpace): TagTable {
  const same = (a: Holder | undefined, b: Holder | undefined): boolean => JSON.stringify(a) === JSON.stringify(b)
  return {
    latest: () => holders,
    read: async () => holders,
    move: async (tag, seen, to) => {
      const now = holders.get(tag)
      if (!same(now, seen) && !same(now, to)) return false
      if (to === undefined) holders.delete(tag)
      else holders.set(tag, { ...to })
      return true
    }
  }
}
