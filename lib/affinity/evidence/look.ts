import { REACHED } from '../../directory/look.ts'
import type { NodeIdentity, NodeStatus } from '../../directory/node.ts'
import type { Proofs } from '../../security/proofs.ts'
import { newSessionId } from '../../session-id.ts'
import { askOwner } from './owner-question.ts'

/** Others that one node asks: of more some by chance, so that each is asked by so many. */
const MOST = 50

/** Asks nodes at their urls, this one too, for a session that nobody has: whether they prove themselves there. By id; those without a url are left out. */
export async function lookAt (proofs: Proofs, own: NodeIdentity, nodes: readonly NodeStatus[]): Promise<Record<string, string>> {
  const ids = [newSessionId(own.tag)]
  const reachable = nodes.flatMap(({ id, url, format }) => url === undefined ? [] : [{ id, url, old: format === 0 }])
  const others = reachable.filter(({ id }) => id !== own.id).map(node => ({ node, turn: Math.random() })).sort((a, b) => a.turn - b.turn).map(({ node }) => node)
  const asked = [...reachable.filter(({ id }) => id === own.id), ...others.slice(0, MOST)]
  const seen = await Promise.all(asked.map(async ({ id, url, old }) => {
    const heard = await askOwner(proofs, { url, ids, unrecorded: false, old })
    return [id, heard.said === 'proven' ? REACHED : heard.error.message.slice(0, 200)]
  }))
  return Object.fromEntries(seen) as Record<string, string>
}
