import { fromCursor, toCursor, type Position } from '../../directory/cursor.ts'
import type { SessionRecord } from '../../directory/record.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import type { NodeRegistry } from '../nodes/node-registry.ts'
import { fromHash } from '../record-hash.ts'
import { pageIndex, readRecord } from '../scripts/record-scripts.ts'
import { isOfAnotherType, type Unreadable } from '../link/unreadable.ts'

const MOST = 1000
/** A page may come out short rather than read on past many stale entries. */
const READS = 20

export interface Page { sessions: SessionRecord[], cursor?: string }

/**
 * One page of all nodes' sessions: node by node through their indexes, oldest
 * use first. An index entry without a record, or with another node's, is dropped.
 * @throws OptionError, NoAnswer
 */
export async function listPage (
  { link, keys, registry, unreadable }: { link: Link, keys: Keys, registry: NodeRegistry, unreadable: Unreadable },
  { cursor, limit }: { cursor?: string | undefined, limit: number }
): Promise<Page> {
  let [node, score, id]: Position = cursor === undefined ? ['', '', ''] : fromCursor(cursor)
  const nodes = (await registry.ids()).filter(other => other >= node)
  if (nodes[0] !== node) [score, id] = ['', '']
  const sessions: SessionRecord[] = []
  const wanted = Math.min(limit, MOST)
  for (let reads = 0; nodes.length > 0; reads++) {
    node = nodes[0]!
    if (sessions.length === wanted || reads === READS) return { sessions, cursor: toCursor([node, score, id]) }
    const size = wanted - sessions.length
    const entries = await unreadable.orAbsent<string[]>(`the index of the node ${node}`, link.run(pageIndex, keys.index(node), [score, id, String(size)]), [])
    const ids = entries.filter((_, i) => i % 2 === 0)
    for (const record of await readAll(link, keys, ids)) if (record?.node === node) sessions.push(record)
    if (ids.length < size) {
      nodes.shift()
      ;[score, id] = ['', '']
    } else {
      ;[id, score] = entries.slice(-2) as [string, string]
    }
  }
  return { sessions }
}

async function readAll (link: Link, keys: Keys, ids: string[]): Promise<Array<SessionRecord | undefined>> {
  const replies = await link.all(ids.map(id => ({ script: readRecord, key: keys.session(id), args: [] })))
  return replies.map((reply, i) => {
    if (reply.status === 'rejected' && isOfAnotherType(reply.reason)) return undefined
    // A page with holes would pass for the truth.
    if (reply.status === 'rejected') throw reply.reason
    return fromHash(ids[i]!, reply.value)
  })
}
