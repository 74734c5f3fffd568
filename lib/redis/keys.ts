/** Every Redis key of the plugin. Each command touches one of them, so no hash tags are needed. */
export interface Keys {
  /** Hash: the record of a session. */
  session: (id: string) => string
  /** String: a node's heartbeat, JSON. */
  node: (id: string) => string
  /** Sorted set: a node's sessions by last use. A hint, the record is the truth. */
  index: (node: string) => string
  /** Set: ids of sessions that the node shall end. */
  close: (node: string) => string
  /** Set: ids of nodes. */
  nodes: string
  /** Stream: events of a session, or of a stream that isn't one of our sessions'. */
  events: (id: string) => string
  /** String: the id of the node that sweeps. */
  sweeper: string
  /** String: what the nodes prove themselves to each other with. */
  secret: string
}

export function redisKeys (prefix: string): Keys {
  return {
    session: id => `${prefix}session:${id}`,
    node: id => `${prefix}node:${id}`,
    index: node => `${prefix}node:${node}:sessions`,
    close: node => `${prefix}node:${node}:close`,
    nodes: `${prefix}nodes`,
    events: id => `${prefix}events:${id}`,
    sweeper: `${prefix}sweeper`,
    secret: `${prefix}secret`
  }
}
