import { setTimeout as delay } from 'node:timers/promises'
import { BEATS } from '../../beats.ts'
import { NodeDuplicateError } from '../../errors.ts'
import type { NodeIdentity } from '../../directory/node.ts'
import type { Beat, NodeRegistry } from './node-registry.ts'
import type { NodeState } from './node-state.ts'

/** A live node has our id or url. */
export class Rival extends Error {
  readonly node: NodeState
  readonly error: Error

  constructor (node: NodeState, error: Error) {
    super(error.message)
    this.node = node
    this.error = error
  }
}

/**
 * Takes our node id. A key of another incarnation is watched for a beat and a
 * half: a live node renews it within that time, a dead one's is taken over.
 * `beat` beats, over that value.
 * @throws Rival
 */
export async function takeId (registry: NodeRegistry, node: NodeIdentity, beat: (over?: string) => Promise<Beat>, signal: AbortSignal): Promise<void> {
  let holder = await beat()
  // Twice where a node of a format below 2 had the id as well.
  for (let i = 0; i < 2 && typeof holder === 'object' && !await renewed(registry, holder, signal); i++) holder = await beat(holder.raw)
  if (typeof holder === 'object') {
    throw new Rival(holder, new NodeDuplicateError(`a live node has the id "${node.id}" already; give each process its own \`node.id\``))
  }
}

/**
 * Looks for a live node under another id that is reached by our url.
 * @throws Rival
 */
export async function checkUrl (registry: NodeRegistry, node: NodeIdentity, signal: AbortSignal): Promise<void> {
  if (node.url === undefined) return
  for (const other of (await registry.alive()).values()) {
    if (other.url !== node.url || other.id === node.id || !await renewed(registry, other, signal)) continue
    throw new Rival(other, new NodeDuplicateError(`the live node "${other.id}" has the url ${node.url} already; give each process its own \`node.url\``))
  }
}

async function renewed (registry: NodeRegistry, seen: NodeState, signal: AbortSignal): Promise<boolean> {
  await delay(BEATS.rival * seen.heartbeat, undefined, { ref: false, signal })
  const now = await registry.again(seen)
  return now !== undefined && now.raw !== seen.raw
}
