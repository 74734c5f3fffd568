import type { NodeStatus } from '../directory/node.ts'
import type { Load, Loads } from './nodes/loads.ts'
import type { NodeRegistry } from './nodes/node-registry.ts'
import type { NodeState } from './nodes/node-state.ts'

/** A live node, and what it has to do, where that is known. */
export type Loaded = [node: NodeState, load: Load | undefined]

/** The live nodes as they are now, by id. */
export async function liveNodes ({ registry, loads }: { registry: NodeRegistry, loads: Loads }, withLoads = true): Promise<Loaded[]> {
  const [alive, load] = await Promise.all([registry.now(), withLoads ? loads.read() : new Map<string, Load>()])
  return [...alive.values()].sort((a, b) => a.id < b.id ? -1 : 1).map(node => [node, node.load ?? load.get(node.id)])
}

/** A node as it is handed out. One that has not said yet what it has to do has just come. */
export function statusOf ({ id, url, tag, state, format, endpoints, stateless, unannounced }: NodeState, { sessions, room }: Pick<Load, 'sessions' | 'room'> = { sessions: 0, room: 1 }): NodeStatus {
  return { id, url, tag, state, sessions, room: state === 'draining' ? 0 : room, format, endpoints, ...stateless && { stateless }, ...unannounced && { unannounced } }
}
