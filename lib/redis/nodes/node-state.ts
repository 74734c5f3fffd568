import { HEARTBEAT } from '../../beats.ts'
import type { NodeStatus } from '../../directory/node.ts'
import { json } from '../json.ts'
import { readTheirOptions, type TheirOptions } from './neighbours.ts'

/** What a node's key says. */
export interface NodeState extends NodeStatus {
  epoch: string
  /** Counts the beats, so that a renewed key can be told from one that is only still there. */
  beat: number
  /** Milliseconds between the beats. */
  heartbeat: number
  /** Options that must be the same on all nodes. */
  options: TheirOptions
  /** The value as it stands in Redis. */
  raw: string
}

const ID = /^[\w.-]{1,64}$/

/** Whether this can be the id of a node. */
export function isNodeId (id: string): boolean {
  return ID.test(id)
}

/** Whether requests can be sent there: scheme, host and port. A url that cannot be parsed would fail in the middle of one. */
export function isNodeUrl (url: unknown): url is string {
  return typeof url === 'string' && /^https?:\/\/[^/?#@\s]+$/.test(url) && URL.canParse(url)
}

/**
 * The state of a node from the value of its key; undefined for what no node
 * can have written. Another version may have: fields that are not known here
 * are left out, and one that only informs may make no sense.
 */
export function readNodeState (id: string, raw: string): NodeState | undefined {
  const { format, url, tag, epoch, state, sessions, room, beat, heartbeat, options } = Object(json(raw))
  if (!isNodeId(id) || typeof tag !== 'string' || typeof epoch !== 'string') return undefined
  if (url !== undefined && !isNodeUrl(url)) return undefined
  return {
    id,
    url,
    tag,
    epoch,
    // One that is neither takes no new sessions, whatever it is.
    state: state === 'up' ? 'up' : 'draining',
    sessions: count(sessions) ?? 0,
    // Infinity is null in JSON.
    room: room === null ? Infinity : count(room) ?? 0,
    format: count(format) ?? 0,
    beat: count(beat) ?? 0,
    // What is out of the option's bounds is nobody's.
    heartbeat: typeof heartbeat === 'number' && heartbeat >= HEARTBEAT.least && heartbeat <= HEARTBEAT.most ? heartbeat : HEARTBEAT.usual,
    options: readTheirOptions(options),
    raw
  }
}

function count (value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined
}
