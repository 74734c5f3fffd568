/** Every Redis key of the plugin. Each command touches one of them, so no hash tags are needed. */
export interface Keys {
  /** Hash: the record of a session. */
  session: (id: string) => string
  /** Hash: the nodes, live and gone, and the version of that. */
  members: string
  /** Hash: what each node has to do, JSON. A hint. */
  loads: string
  /** Hash: which node holds a tag. A hint, the record is the truth. */
  tags: string
  /** String: the heartbeat of a node of a format below 2, JSON. */
  node: (id: string) => string
  /** Sorted set: a node's sessions by last use. A hint, the record is the truth. */
  index: (node: string) => string
  /** Set: ids of sessions that the node shall end. */
  close: (node: string) => string
  /** Set: ids of nodes of a format below 2. */
  nodes: string
  /** Stream: events of a session, or of a stream that isn't one of our sessions'. */
  events: (id: string) => string
  /** Hash: what became of the session of this public name, JSON. */
  trail: (name: string) => string
  /** Channel: what happens in nodes that somebody watches, JSON. */
  live: string
  /** Hash: what each node saw of the others when it was asked to look with this token, JSON. */
  looks: (token: string) => string
  /** String: the id of the node that sweeps. */
  sweeper: string
  /** String: what the nodes prove themselves to each other with. */
  secret: string
}

export function redisKeys (prefix: string): Keys {
  return {
    session: id => `${prefix}session:${id}`,
    members: `${prefix}members`,
    loads: `${prefix}loads`,
    tags: `${prefix}tags`,
    node: id => `${prefix}node:${id}`,
    index: node => `${prefix}node:${node}:sessions`,
    close: node => `${prefix}node:${node}:close`,
    nodes: `${prefix}nodes`,
    events: id => `${prefix}events:${id}`,
    trail: name => `${prefix}trail:${name}`,
    live: `${prefix}live`,
    looks: token => `${prefix}looks:${token}`,
    sweeper: `${prefix}sweeper`,
    secret: `${prefix}secret`
  }
}
