import { HASH_FORMAT } from '../../format.ts'
import { hasEndpoint } from '../../directory/node.ts'
import { isOf } from '../../directory/tag-table.ts'
import type { Holder, Peer } from '../../directory/tag-table.ts'

/** What each node has, or is to expect: its sessions, and those that tags promise it and that have not come yet. By node id. */
export function loadsOf (peers: Iterable<Peer>, table: ReadonlyMap<string, Holder>): Map<string, number> {
  const live = new Map<string, Peer>()
  const loads = new Map<string, number>()
  for (const peer of peers) {
    live.set(peer.id, peer)
    loads.set(peer.id, peer.sessions)
  }
  for (const [tag, entry] of table) {
    const holder = live.get(entry.node)
    if (holder !== undefined && isOf(entry, holder)) loads.set(holder.id, loads.get(holder.id)! + Math.max(0, entry.promised - (holder.tagged[tag] ?? 0)))
  }
  return loads
}

/**
 * The node that is to hold a tag of a node that goes: of those that are up and
 * have room, the one with the least load, and the newest among equals, since
 * the older ones of a rolling restart are about to go themselves. `except`:
 * ids of those that it cannot be. `wanted`: sets of endpoints, those that have all of the first set before those that
 * have all of the next, and none that has not all of any.
 */
export function heirAmong (peers: Iterable<Peer>, loads: ReadonlyMap<string, number>, except: ReadonlySet<string>, wanted: ReadonlyArray<readonly string[]> = [[]]): Peer | undefined {
  const all = [...peers]
  for (const endpoints of wanted) {
    const heir = bestOf(all.filter(peer => endpoints.every(name => hasEndpoint(peer, name))), loads, except)
    if (heir !== undefined) return heir
  }
  return undefined
}

function bestOf (peers: Peer[], loads: ReadonlyMap<string, number>, except: ReadonlySet<string>): Peer | undefined {
  let heir: Peer | undefined
  for (const peer of peers) {
    if (except.has(peer.id) || !mayInherit(peer, loads)) continue
    if (heir === undefined || isBetter(peer, heir, loads)) heir = peer
  }
  return heir
}

function mayInherit ({ id, url, state, format, sessions, room }: Peer, loads: ReadonlyMap<string, number>): boolean {
  const expected = (loads.get(id) ?? sessions) - sessions
  return url !== undefined && state === 'up' && format >= HASH_FORMAT && room > expected
}

function isBetter (a: Peer, b: Peer, loads: ReadonlyMap<string, number>): boolean {
  const [ofA, ofB] = [loads.get(a.id) ?? 0, loads.get(b.id) ?? 0]
  if (ofA !== ofB) return ofA < ofB
  return a.started === b.started ? a.id < b.id : a.started > b.started
}
