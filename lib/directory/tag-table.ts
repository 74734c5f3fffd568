import type { NodeStatus } from './node.ts'

/** Who holds a tag: to whom requests go for sessions whose ids begin with it. */
export interface Holder {
  /** Node id. */
  node: string
  /** Of its process: a holder that has died holds nothing, whoever has its id now. */
  incarnation: string
  /** How many sessions of the tag it was to expect when it was named; it lowers that as they do not come. */
  promised: number
}

/** A live node with all that matters to who names a holder. */
export interface Peer extends NodeStatus {
  incarnation: string
  /** When its process started, by its own clock: milliseconds since the Unix epoch. */
  started: number
  /** All tags of its url. */
  tags: readonly string[]
  /** How many of its sessions have which tag. */
  tagged: Readonly<Record<string, number>>
}

/**
 * tag → holder, the same for all nodes. A hint, so that proxies and nodes find
 * the sessions of nodes that went in one place: a session's record is the
 * truth, and an entry that is wrong costs a look. An entry counts only while
 * its holder is alive and up.
 */
export interface TagTable {
  /** As it was read last, without a read. */
  latest: () => ReadonlyMap<string, Holder>
  /**
   * As it is `now`, or was a moment ago.
   * @throws DirectoryUnavailableError
   */
  read: (now?: boolean) => Promise<ReadonlyMap<string, Holder>>
  /**
   * Names another holder, or none, if the entry still is as it was seen: whether it was. What is asked for in one turn of
   * the event loop is one change.
   * @throws DirectoryUnavailableError
   */
  move: (tag: string, seen: Holder | undefined, to: Holder | undefined) => Promise<boolean>
}

/** The live holder of an entry, if it is up. */
export function holderOf (entry: Holder | undefined, peers: Iterable<Peer>): Peer | undefined {
  if (entry === undefined) return undefined
  for (const peer of peers) if (isOf(entry, peer) && peer.state === 'up' && peer.url !== undefined) return peer
  return undefined
}

/** Whether an entry names this process. */
export function isOf (entry: Holder, { id, incarnation }: Pick<Peer, 'id' | 'incarnation'>): boolean {
  return entry.node === id && entry.incarnation === incarnation
}

/** To which url requests with which tags go: what a proxy is told. `draining`: and nothing else, new sessions neither. */
export interface Route {
  url: string
  tags: string[]
  draining?: true
  /** Paths at which it, or another node, serves calls without sessions: those go to any node. */
  stateless?: string[]
  /** Paths of its endpoints, where the nodes differ in them, and it has said which they are. */
  paths?: string[]
}

/**
 * A route for each live node with a url: the tags that it holds, and those of
 * its own url that nobody else holds; it may have none. One that drains has none where others are up and
 * pass on what is meant for it (`handsOver`). Sorted, so that the same nodes and the
 * same table make the same routes.
 */
export function routesOf (nodes: readonly Peer[], table: ReadonlyMap<string, Holder>, handsOver: boolean): Route[] {
  const staying = nodes.filter(({ state, url }) => state === 'up' && url !== undefined)
  const peers = handsOver && staying.length > 0 ? staying : nodes
  const live = new Map(peers.map(peer => [peer.id, peer]))
  const entries = [...table].flatMap(([tag, entry]) => {
    const holder = live.get(entry.node)
    return holder?.url !== undefined && isOf(entry, holder) ? [{ tag, holder }] : []
  })
  const holders = new Map<string, Peer>()
  const claim = (tag: string, holder: Peer): void => { if (!holders.has(tag)) holders.set(tag, holder) }
  for (const { tag, holder } of entries) if (holder.state === 'up') claim(tag, holder)
  // Of two nodes with one url, one is on its way out.
  for (const peer of [...peers].sort((a, b) => b.started - a.started)) for (const tag of peer.tags) if (peer.url !== undefined) claim(tag, peer)
  // One that drains has them still, until it names others.
  for (const { tag, holder } of entries) claim(tag, holder)
  const routes = new Map<string, Set<string>>()
  for (const { url } of peers) if (url !== undefined) routes.set(url, new Set())
  for (const [tag, { url }] of holders) if (url !== undefined) routes.get(url)?.add(tag)
  const up = new Set(staying.map(({ url }) => url))
  const paths = new Map(peers.map(({ url, endpoints }) => [url, Object.values(endpoints).sort()]))
  const differ = new Set([...paths.values()].map(all => all.join('\n'))).size > 1
  const stateless = [...new Set(peers.flatMap(({ endpoints, stateless }) => (stateless ?? []).map(name => endpoints[name] ?? '')))].filter(path => path !== '').sort()
  const routed = [...routes].map(([url, tags]): Route => ({
    url,
    tags: [...tags].sort(),
    ...up.size > 0 && !up.has(url) && { draining: true },
    ...stateless.length > 0 && { stateless },
    ...differ && !paths.get(url)!.includes('') && { paths: paths.get(url)! }
  }))
  return routed.sort((a, b) => a.url < b.url ? -1 : 1)
}
