import type { Location, NodeIdentity } from '../sessions/directory.ts'
import type { Doubt } from './doubt.ts'
import type { NodeRegistry } from './node-registry.ts'
import type { RecordReader } from './record-reader.ts'
import { unavailable } from './unavailable.ts'

/**
 * Where an id stands that is not local. `releasing`: we are about to delete its record.
 * @throws DirectoryUnavailableError, NoAnswer
 */
export async function locate (
  { node, reader, registry, doubt }: { node: NodeIdentity, reader: RecordReader, registry: NodeRegistry, doubt: Doubt },
  id: string,
  releasing: boolean
): Promise<Location> {
  const record = await reader.read(id)
  if (record === undefined) return { status: 'unknown' }
  if (record.node === node.id && record.epoch === node.epoch) return releasing ? { status: 'unknown' } : { status: 'orphaned', record }
  const owner = await registry.owner(record.node, record.epoch)
  if (owner) return { status: 'misrouted', record, tag: owner.tag, url: owner.url }
  // The owner's heartbeat may have been lost with the rest.
  if (doubt.left > 0) throw unavailable('the connection is new and the session\'s node may not have beaten yet', doubt.left)
  return { status: 'orphaned', record }
}
