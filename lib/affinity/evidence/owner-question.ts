import { DEFAULT_ENDPOINT } from '../../endpoint-name.ts'
import { ENDPOINT, PROOF, SESSIONS, UNRECORDED, UNVERIFIED } from '../../http/between-nodes.ts'
import { PATHS } from '../../http/internal-paths.ts'
import type { Proofs } from '../../security/proofs.ts'
import { sessionDigest } from '../../session-id.ts'
import { ask } from './question.ts'
import type { Heard } from './question.ts'

/** Milliseconds for a connection, and for the answer to a question. */
const BOUND = 1000

/** What the node at a url says of sessions. */
export type Said =
  /** Proven. `held`: epochs by session id. `doubtful`: its own writes to the directory are. */
  | { said: 'proven', held: Record<string, string>, doubtful: boolean }
  /** Nobody is there. */
  | { said: 'nobody', error: Error }
  /** Twice no answer, to the question or to the opening of a connection. */
  | { said: 'silence', error: Error }
  /** Something else answers there. */
  | { said: 'unproven', error: Error }
  /** One of ours, it seems, that does not know our secret. */
  | { said: 'unverified', error: Error }
  /** Somebody is there who says nothing, or nobody could say where that is. */
  | { said: 'unclear', error: Error }
  /** This process could not ask. */
  | { said: 'nothing', error: Error }

export interface Question {
  /** The node's `node.url`. */
  url: string
  /** At least one. */
  ids: string[]
  /** The sessions have no record. */
  unrecorded: boolean
  /** The name of the one whose sessions they are; whoever holds them for another does not hold them. Absent: the default one. */
  endpoint?: string
  /** Whether the owner is of format 0: then its answers need no proof. */
  old: boolean
}

/** Asks a node which of these sessions it holds; whoever does not answer is asked once more. Never rejects. */
export async function askOwner (proofs: Proofs, question: Question, bound = BOUND): Promise<Said> {
  const first = await askOnce(proofs, question, bound)
  return first.said === 'silence' ? askOnce(proofs, question, bound) : first
}

async function askOnce (proofs: Proofs, { url, ids, unrecorded, endpoint = DEFAULT_ENDPOINT, old }: Question, bound: number): Promise<Said> {
  const sessions = old ? ids : ids.map(sessionDigest)
  const proof = proofs.make({ purpose: 'question', url, method: 'GET', sessions })
  if (proof === undefined) return { said: 'nothing', error: new Error('this node has no secret yet: Redis did not answer since it started') }
  const headers = {
    [PROOF]: proof,
    ...(old ? { 'mcp-session-id': ids[0]! } : { [SESSIONS]: sessions.join(',') }),
    ...(endpoint !== DEFAULT_ENDPOINT && { [ENDPOINT]: endpoint }),
    ...(unrecorded && { [UNRECORDED]: '1' })
  }
  const heard = await ask(new URL(PATHS.owner, url), headers, bound)
  if (heard.heard !== 'answer') return said(heard)
  const judged = judge(proofs, proof, heard, ids, old)
  if (judged.said !== 'proven' || old) return judged
  const held = ids.flatMap((id, i) => Object.hasOwn(judged.held, sessions[i]!) ? [[id, judged.held[sessions[i]!]!]] : [])
  return { ...judged, held: Object.fromEntries(held) as Record<string, string> }
}

function said (heard: Exclude<Heard, { heard: 'answer' }>): Said {
  const { error } = heard
  switch (heard.heard) {
    case 'nobody': return { said: 'nobody', error }
    case 'silence': case 'unopened': return { said: 'silence', error }
    // A name goes with its node in places.
    case 'noise': case 'no name': return { said: 'unproven', error }
    case 'hung up': case 'unresolved': return { said: 'unclear', error }
    case 'nothing': return { said: 'nothing', error }
  }
}

function judge (proofs: Proofs, proof: string, { status, headers, body }: Extract<Heard, { heard: 'answer' }>, ids: string[], old: boolean): Said {
  if (status === 200 && proofs.isAnswer(headers[PROOF], proof, body)) return { said: 'proven', ...JSON.parse(body) as { held: Record<string, string>, doubtful: boolean } }
  if (old) {
    if (status === 404 && body === '{}') return { said: 'proven', held: {}, doubtful: false }
    const epoch = status === 200 ? epochIn(body) : undefined
    if (epoch !== undefined) return { said: 'proven', held: { [ids[0]!]: epoch }, doubtful: false }
  }
  if (status === 403 && body === UNVERIFIED) return { said: 'unverified', error: new Error('it does not know the secret of this cluster') }
  return { said: 'unproven', error: new Error(`something else answered there, with status ${status}`) }
}

function epochIn (body: string): string | undefined {
  try {
    const { epoch } = Object(JSON.parse(body))
    return typeof epoch === 'string' ? epoch : undefined
  } catch {
    return undefined
  }
}
