import { HEARTBEAT } from '../../beats.ts'
import { isEndpointName } from '../../endpoint-name.ts'
import { onlyEndpoint } from '../../directory/node.ts'
import type { NodeStatus } from '../../directory/node.ts'
import { isTag, MOST_TAGS, nodeTags } from '../../session-id.ts'
import { json } from '../json.ts'
import { readTheirOptions, type TheirOptions } from '../../shared-directory/neighbours.ts'
import type { Load } from './loads.ts'

/** What a node tells the others at each beat. */
export interface Report extends Load { state: 'up' | 'draining' }

/** What a node says of itself. */
export interface NodeState extends Omit<NodeStatus, keyof Load> {
  epoch: string
  /** All tags of its url, `tag` first. */
  tags: string[]
  /** When its process started, by its own clock (ms). */
  started: number
  /** Its beat holds until then (ms, by Redis' own clock); 0 where that is not known. */
  until: number
  /** What it has to do, of a node of a format below 2: newer ones say that elsewhere (see loads.ts). */
  load?: Load | undefined
  /** Milliseconds between the beats. */
  heartbeat: number
  /** Options that must be the same on all nodes. */
  options: TheirOptions
  /** The value as it stands in Redis: another with each beat. */
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

/** The state of a node from its value among the nodes (see member-scripts.ts); undefined also for one that is gone. */
export function readMemberState (id: string, value: string): NodeState | undefined {
  const [, until, facts] = /^(\d{1,15}) (.+)$/.exec(value) ?? []
  return facts === undefined ? undefined : readState(id, facts, { until: Number(until), raw: value })
}

/** The state of a node of a format below 2 from the value of its key. */
export function readNodeState (id: string, raw: string): NodeState | undefined {
  return readState(id, raw, { until: 0, raw })
}

/**
 * The state of a node from what it says as JSON; undefined for what no node
 * can have written. Another version may have: fields that are not known here
 * are left out, and one that only informs may make no sense.
 */
function readState (id: string, text: string, { until, raw }: Pick<NodeState, 'until' | 'raw'>): NodeState | undefined {
  const { format, url, tag, tags, epoch, started, state, sessions, room, heartbeat, options, endpoints, stateless, unannounced } = Object(json(text))
  if (!isNodeId(id) || typeof tag !== 'string' || typeof epoch !== 'string') return undefined
  if (url !== undefined && !isNodeUrl(url)) return undefined
  return {
    id,
    url,
    tag,
    epoch,
    // One that is neither takes no new sessions, whatever it is.
    state: state === 'up' ? 'up' : 'draining',
    tags: !isTag(tag) ? [] : url === undefined || !isTagCount(tags) ? [tag] : [tag, ...nodeTags({ id, url }, tags).slice(1)],
    started: count(started) ?? 0,
    until,
    // Infinity is null in JSON.
    load: sessions === undefined ? undefined : { sessions: count(sessions) ?? 0, room: room === null ? Infinity : count(room) ?? 0 },
    format: count(format) ?? 0,
    // What is out of the option's bounds is nobody's.
    heartbeat: typeof heartbeat === 'number' && heartbeat >= HEARTBEAT.least && heartbeat <= HEARTBEAT.most ? heartbeat : HEARTBEAT.usual,
    options: readTheirOptions(options),
    endpoints: endpoints === undefined ? onlyEndpoint(readTheirOptions(options).path?.toString()) : readEndpoints(endpoints),
    ...Array.isArray(stateless) && { stateless: stateless.filter(isEndpointName) },
    ...Array.isArray(unannounced) && { unannounced: unannounced.filter(isEndpointName) },
    raw
  }
}

/** What is no endpoint is left out: nobody asks for it. */
function readEndpoints (value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  const paths = Object.entries(value).filter((entry): entry is [string, string] => isEndpointName(entry[0]) && typeof entry[1] === 'string')
  return Object.fromEntries(paths)
}

function count (value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined
}

function isTagCount (value: unknown): value is number {
  return Number.isInteger(value) && value as number > 1 && value as number <= MOST_TAGS
}
