import { isCluster, type ClusterClient, type ClusterNode, type RedisClient } from '../client.ts'

interface ConnectionEvents {
  /** A connection ended: to the named master of a Cluster, or (undefined) of the whole client. */
  closed: (master: string | undefined) => void
  /** A connection was made, likewise. */
  renewed: (master: string | undefined) => void
}

/** Follows a client's connections; what it returns takes the listeners off again. */
export function watchConnections (client: RedisClient, events: ConnectionEvents): () => void {
  const close = () => events.closed(undefined)
  const ready = () => events.renewed(undefined)
  client.on('close', close)
  client.on('ready', ready)
  const unwatchMasters = isCluster(client) ? watchMasters(client, events) : () => {}
  return () => {
    client.off('close', close)
    client.off('ready', ready)
    unwatchMasters()
  }
}

/** Waits for a connection that is being made: whether it was, within the bound (milliseconds). */
export function whenConnected (client: RedisClient, bound: number): Promise<boolean> {
  const ready = () => client.status === 'ready'
  if (!['connecting', 'connect'].includes(client.status)) return Promise.resolve(ready())
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      client.off('ready', done)
      client.off('close', done)
      resolve(ready())
    }
    const timer = setTimeout(done, bound)
    client.on('ready', done)
    client.on('close', done)
  })
}

/**
 * A master that is lost and comes back, or is replaced, gives no `ready` of
 * the Cluster client: it shows in the connection to its address, or in a
 * change of the slot table. The first connection to a master is no news, they
 * are made when they are first needed; and so is a new one: whoever waits for
 * a lost master has to ask something of it.
 */
function watchMasters (client: ClusterClient, events: ConnectionEvents): () => void {
  const known = new Set<string>()
  const listeners = new Map<ClusterNode, () => void>()
  let masters = mastersOf(client)

  const watch = (node: ClusterNode) => {
    if (listeners.has(node)) return
    const address = addressOf(node)
    const ready = () => {
      if (known.has(address) && masters.has(address)) events.renewed(address)
      known.add(address)
    }
    if (node.status === 'ready') known.add(address)
    node.on('ready', ready)
    listeners.set(node, ready)
  }
  const unwatch = (node: ClusterNode) => {
    const ready = listeners.get(node)
    if (ready) node.off('ready', ready)
    listeners.delete(node)
    if (mastersOf(client).has(addressOf(node))) events.closed(addressOf(node))
  }
  const refreshed = () => {
    const now = mastersOf(client)
    const changed = [...now].filter(address => !masters.has(address))
    const first = masters.size === 0
    masters = now
    if (!first) for (const address of changed) events.renewed(address)
  }

  client.nodes('all').forEach(watch)
  client.on('+node', watch)
  client.on('-node', unwatch)
  client.on('refresh', refreshed)
  return () => {
    client.off('+node', watch)
    client.off('-node', unwatch)
    client.off('refresh', refreshed)
    for (const [node, ready] of listeners) node.off('ready', ready)
  }
}

function addressOf ({ options }: ClusterNode): string {
  return `${options.host}:${options.port}`
}

function mastersOf (client: ClusterClient): Set<string> {
  const masters = new Set<string>()
  for (const [master] of client.slots) if (master !== undefined) masters.add(master)
  return masters
}
