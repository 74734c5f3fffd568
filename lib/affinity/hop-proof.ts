import type { FastifyRequest } from 'fastify'
import type { Proofs, Proven } from '../security/proofs.ts'
import { PROOF } from './forward-headers.ts'

/** What is proven of "that session is not mine". */
const NOT_MINE = 'not mine'

/** A hop to the node at `url`. */
export function hopTo (url: string, { method, headers }: FastifyRequest): Proven {
  const id = headers['mcp-session-id']
  return { purpose: 'hop', url, method, sessions: [typeof id === 'string' ? id : ''] }
}

/** The proof for "that session is not mine", said at `url` to a hop that has proven itself; undefined for any other. */
export function proveNotMine (proofs: Proofs, url: string | undefined, request: FastifyRequest): string | undefined {
  const proof = request.headers[PROOF]
  if (url === undefined || typeof proof !== 'string') return undefined
  const secret = proofs.check(proof, hopTo(url, request))
  return secret && proofs.answer(secret, proof, NOT_MINE)
}

/** Whether it was a node of this cluster that said "that session is not mine" to our hop. */
export function isProvenNotMine (proofs: Proofs, answer: unknown, proof: string): boolean {
  return proofs.isAnswer(answer, proof, NOT_MINE)
}
