import { FORMAT } from '../format.ts'
import { adoptionPause } from './adoption-pauses.ts'
import type { LocalNode } from './directory.ts'
import type { NodeIdentity, NodeStatus } from './node.ts'
import type { SessionRecord } from './record.ts'

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
}

export function memorySpace (): MemorySpace {
  return { records: new Map(), nodes: new Map(), lastSeen: new Map() }
}

/** One that was seen released must be so still: its owner may have taken it back under the same epoch. */
export function isAsSeen (record: SessionRecord, seen: SessionRecord): boolean {
  return record.node === seen.node && record.epoch === seen.epoch && (record.released === true || seen.released !== true)
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
export function statusOf ({ node: { id, url, tag }, local }: MemoryNode): NodeStatus {
  const state = local.draining ? 'draining' : 'up'
  return { id, url, tag, state, sessions: local.size, room: local.draining ? 0 : local.room, format: FORMAT }
}
