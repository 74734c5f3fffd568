import type { Location } from '../../directory/directory.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { SessionRecord } from '../../directory/record.ts'
import type { Remover } from '../../directory/remover.ts'
import type { Doubt } from '../../shared-directory/doubt.ts'
import type { NodeRegistry } from '../nodes/node-registry.ts'
import { tagOf } from '../../session-id.ts'
import { misrouted, type OwnerCache } from '../../shared-directory/owner-cache.ts'
import type { RecordReader } from './record-reader.ts'
import { mayRemove } from '../../directory/remover.ts'
import { unavailable } from '../link/unavailable.ts'

/** `tags`: the table of tags, which tells whom to ask for what has no record. */
export interface LocateParts { node: NodeIdentity, reader: RecordReader, registry: NodeRegistry, doubt: Doubt, ownerCache: OwnerCache, tags: { refresh: () => Promise<void> } }

/** `by`: who asks. `fresh`: forget what is remembered. `discarding`: we are about to delete its record. `closing`: who has asked for its end, which has not come yet. */
interface How { by?: string | undefined, fresh: boolean, discarding: boolean, closing: Remover[] }

/**
 * Where an id stands that is not local.
 * @throws DirectoryUnavailableError, NoAnswer
 */
export async function locate (parts: LocateParts, id: string, how: How): Promise<Location> {
  const { registry, doubt, ownerCache, tags } = parts
  if (how.fresh) ownerCache.forget(id)
  const remembered = ownerCache.find(id, () => registry.latest(), doubt.left === 0)
  if (remembered?.sure === true) return remembered.owner
  try {
    const location = await look(parts, id, how)
    if (location.status === 'misrouted') ownerCache.remember(location)
    else ownerCache.forget(id)
    if (location.status === 'unknown' && tagOf(id) !== undefined) await tags.refresh()
    return location
  } catch (err) {
    // Nothing better is to be had.
    if (remembered) return remembered.owner
    throw err
  }
}

async function look ({ node, reader, registry, doubt }: LocateParts, id: string, { by, fresh, discarding, closing }: How): Promise<Location> {
  const record = await reader.read(id, by, fresh)
  if (record === undefined) return closing.length > 0 || discarding ? { status: 'unknown', ended: true } : { status: 'unknown' }
  if (closing.some(by => mayRemove(by, record))) return { status: 'unknown', ended: true }
  const orphaned = (): Location => {
    if (doubt.refused) throw unavailable('Redis refuses what this node writes, so nobody can take the session', doubt.left)
    return { status: 'orphaned', record }
  }
  if (record.released) return orphaned()
  // It names us, and is not here: we claimed it without hearing Redis' answer, or its session has ended.
  if (isOf(node, record)) return discarding ? { status: 'unknown', ended: true } : orphaned()
  const asked = performance.now()
  const owner = await registry.owner(record.node, record.epoch, fresh)
  // Who was reached by our url before us is gone, though its heartbeat may not have ended yet.
  if (owner?.url !== undefined && owner.url === node.url) return orphaned()
  if (owner) return misrouted(record, owner)
  // The owner's heartbeat may have been lost with the rest.
  if (doubt.since(asked)) throw unavailable('the session\'s node may not have been able to beat', doubt.left)
  return orphaned()
}

function isOf ({ id, incarnation }: NodeIdentity, { node, epoch }: SessionRecord): boolean {
  return node === id && epoch.startsWith(`${incarnation}.`)
}
