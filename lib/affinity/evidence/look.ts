import { REACHED } from '../../directory/look.ts'
import type { NodeIdentity, NodeStatus } from '../../directory/node.ts'
import type { Proofs } from '../../security/proofs.ts'
import { newSessionId } from '../../session-id.ts'
import { askOwner } from './owner-question.ts'

/** Questions at once. */
const AT_ONCE = 20

/** Asks each node at its url, this one too, for a session that nobody has: whether it proves itself there. By id; nodes without a url are left out. */
export async function lookAt (proofs: Proofs, own: NodeIdentity, nodes: readonly NodeStatus[]): Promise<Record<string, string>> {
  const ids = [newSessionId(own.tag)]
  const sees: Record<string, string> = {}
  const reachable = nodes.flatMap(({ id, url, format }) => url === undefined ? [] : [{ id, url, old: format === 0 }])
  for (let at = 0; at < reachable.length; at += AT_ONCE) {
    await Promise.all(reachable.slice(at, at + AT_ONCE).map(async ({ id, url, old }) => {
      const heard = await askOwner(proofs, { url, ids, unrecorded: false, old })
      sees[id] = heard.said === 'proven' ? REACHED : heard.error.message.slice(0, 200)
    }))
  }
  return sees
}
