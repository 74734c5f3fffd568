import { randomBytes } from 'node:crypto'
import { DEFAULT_ENDPOINT } from '../endpoint-name.ts'
import { nodeTag, nodeTags } from '../session-id.ts'

/** This process, as the other nodes see it. */
export interface NodeIdentity {
  id: string
  /** First 16 hex digits of sha256(url, or id). */
  tag: string
  /** All tags of its url, `tag` first (option `node.tags`). */
  readonly tags: readonly string[]
  /** When this process started: milliseconds since the Unix epoch. */
  readonly started: number
  /** Tags that the ids of new sessions get, in turn; only what looks after the table of tags sets it. */
  minting: readonly string[]
  /** A random token for this process. */
  readonly incarnation: string
  /**
   * `<incarnation>.<n>`. A node whose lease lapsed takes the next one, so that
   * a record it wrote before can be told from one it writes now. Only the lease
   * sets it. A record is this process's when node and incarnation are.
   */
  epoch: string
  /** The paths of its endpoints by their names; it may get more until it starts. */
  readonly endpoints: Record<string, string>
  /** The names of those that serve calls without sessions; it may get more until it starts. */
  readonly stateless: string[]
  /** Of those, the names of those that clients are not to hear of. */
  readonly unannounced: string[]
  url?: string | undefined
  /** It has reached itself at its url. Only the self-check sets it. */
  reached?: boolean
}

/** The incarnation whose epoch this is. */
export function incarnationOf (epoch: string): string {
  return epoch.slice(0, epoch.lastIndexOf('.'))
}

/** A live node, as the directory knows it. */
export interface NodeStatus {
  id: string
  /** How the proxy and the other nodes reach it, if they can. */
  url?: string | undefined
  tag: string
  /** A draining node takes no new sessions. */
  state: 'up' | 'draining'
  /** Number of its sessions at its last beat. */
  sessions: number
  /** How many more it takes; 0 while it drains. */
  room: number
  /** What it understands, and is understood by (see format.ts). */
  format: number
  /** The paths of its endpoints by their names. */
  endpoints: Readonly<Record<string, string>>
  /** The names of those that serve calls without sessions, if any do. */
  stateless?: readonly string[]
  /** Of those, the names of those that clients are not to hear of (option `stateless.announce`), if there are any. */
  unannounced?: readonly string[]
}

/** Whether a node has an endpoint: one that does not neither holds nor takes sessions of it, and has no route for its requests. */
export function hasEndpoint ({ endpoints }: Pick<NodeStatus, 'endpoints'>, name: string): boolean {
  return Object.hasOwn(endpoints, name)
}

/** The endpoints of a node of before there were names. */
export function onlyEndpoint (path = ''): Record<string, string> {
  return { [DEFAULT_ENDPOINT]: path }
}

/** A new process as the others will see it. `tags`: how many its url has. */
export function newIdentity ({ id, url, tags, endpoints = onlyEndpoint() }: { id: string, url?: string | undefined, tags: number, endpoints?: Record<string, string> }): NodeIdentity {
  const incarnation = randomBytes(12).toString('base64url')
  const tag = nodeTag({ id, url })
  return { id, url, tag, tags: nodeTags({ id, url }, tags), minting: [tag], started: Date.now(), incarnation, endpoints, stateless: [], unannounced: [], epoch: `${incarnation}.0` }
}
