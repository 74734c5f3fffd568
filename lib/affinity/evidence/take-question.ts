import { DEFAULT_ENDPOINT } from '../../endpoint-name.ts'
import { ENDPOINT, PROOF, SESSIONS } from '../../http/between-nodes.ts'
import { PATHS } from '../../http/internal-paths.ts'
import type { Proofs } from '../../security/proofs.ts'
import { sessionDigest } from '../../session-id.ts'
import { ask } from './question.ts'

/** Milliseconds for a connection and for the answer: whoever asks has a client that waits. */
const BOUND = 1000
/** Sessions that a question names at most: header fields have their bounds. */
const NAMED = 100

/** Asks a node whether it takes sessions of an endpoint. True only for its own yes, proven; asked twice, it says the same. Never rejects. */
export async function askToTake (proofs: Proofs, url: string, ids: string[], endpoint = DEFAULT_ENDPOINT, bound = BOUND): Promise<boolean> {
  const sessions = ids.slice(0, NAMED).map(sessionDigest)
  const proof = proofs.make({ purpose: 'take', url, method: 'GET', sessions })
  if (proof === undefined) return false
  const heard = await ask(new URL(PATHS.take, url), { [PROOF]: proof, [SESSIONS]: sessions.join(','), ...(endpoint !== DEFAULT_ENDPOINT && { [ENDPOINT]: endpoint }) }, bound, bound)
  return heard.heard === 'answer' && heard.status === 200 && proofs.isAnswer(heard.headers[PROOF], proof, heard.body) && (JSON.parse(heard.body) as { takes: boolean }).takes
}
