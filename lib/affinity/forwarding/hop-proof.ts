import type { IncomingHttpHeaders } from 'node:http'
import type { Proofs, Proven } from '../../security/proofs.ts'
import { PROOF } from '../../http/between-nodes.ts'

/** What is proven of an answer, whatever it says: that a node of this cluster had the request. */
const RECEIVED = 'received'

/** A request that is passed on, as the node that gets it sees it. */
interface Hop { method?: string | undefined, headers: IncomingHttpHeaders }

/** A hop to the node at `url`. */
export function hopTo (url: string, { method = '', headers }: Hop): Proven {
  const id = headers['mcp-session-id']
  return { purpose: 'hop', url, method, sessions: [typeof id === 'string' ? id : ''] }
}

/** The receipt for a hop to us, at `url`, that has proven itself: a field of its answer. Undefined for any other request. */
export function receiptOf (proofs: Proofs, url: string | undefined, hop: Hop): string | undefined {
  const proof = hop.headers[PROOF]
  if (url === undefined || typeof proof !== 'string') return undefined
  const secret = proofs.check(proof, hopTo(url, hop))
  return secret && proofs.answer(secret, proof, RECEIVED)
}

/** Whether it was a node of this cluster that answered our hop. */
export function isReceipt (proofs: Proofs, answer: unknown, proof: string): boolean {
  return proofs.isAnswer(answer, proof, RECEIVED)
}
