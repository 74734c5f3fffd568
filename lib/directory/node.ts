/** This process, as the other nodes see it. */
export interface NodeIdentity {
  id: string
  /** First 16 hex digits of sha256(url, or id). */
  tag: string
  /** A random token for this process. */
  readonly incarnation: string
  /**
   * `<incarnation>.<n>`. A node whose lease lapsed takes the next one, so that
   * a record it wrote before can be told from one it writes now. Only the lease
   * sets it. A record is this process's when node and incarnation are.
   */
  epoch: string
  url?: string | undefined
  /** It has reached itself at its url. Only the self-check sets it. */
  reached?: boolean
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
}
