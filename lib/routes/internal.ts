import type { FastifyInstance } from 'fastify'
import { DEFAULT_ENDPOINT } from '../endpoint-name.ts'
import { ENDPOINT, PROOF, SELF, SESSIONS, UNRECORDED, UNVERIFIED } from '../http/between-nodes.ts'
import { internalPath, PATHS } from '../http/internal-paths.ts'
import type { InternalAnswer, InternalRequest } from '../http/internal-paths.ts'
import { opsListenerOf } from '../http/ops-listener.ts'
import type { Proofs } from '../security/proofs.ts'
import type { SessionDirectory } from '../directory/directory.ts'
import type { Sessions } from '../sessions/sessions.ts'

interface InternalOptions {
  sessions: Sessions
  directory: Pick<SessionDirectory, 'changed' | 'closing' | 'doubtful' | 'oldestFormat'>
  proofs: Proofs
  /** Whether the node's url leads to it; undefined for a node that others cannot reach. */
  selfCheck: { readonly problem: boolean, answer: (question: unknown) => string | undefined } | undefined
  /** Takes over what others ask it to of an endpoint; undefined where nobody adopts, or there is no such endpoint. */
  adoptionAt: (endpoint: string) => { readonly takes: boolean } | undefined
  /** A draining node's sessions are reached through the other nodes alone. */
  behindOthers: boolean
}

/**
 * What proxies and other nodes ask. `ready`: may new sessions come here?
 * `alive`: should requests for the sessions that are here come here? `live`:
 * does the process run? A draining node is not ready; it is alive, unless it
 * stays `behindOthers`: when the others forward to it what its sessions still
 * need, nothing is on its way to it when it closes. Health tells a state and
 * no more; who holds which session, a node of the cluster alone is told.
 */
export async function internalRoutes (app: FastifyInstance, options: InternalOptions): Promise<void> {
  const { sessions, selfCheck, behindOthers } = options
  const ops = opsListenerOf(app)
  const health = (healthy: boolean, state: string = sessions.state): InternalAnswer => ({ status: healthy ? 200 : 503, body: { state } })

  // A proxy's health check goes the way that requests go; an orchestrator's probes need not.
  const healthPath: typeof internalPath = (app, path, handler) => {
    internalPath(app, path, handler)
    ops?.add(path, handler)
  }

  const ready = (): InternalAnswer => {
    const unreached = selfCheck?.problem === true
    return health(sessions.state === 'open' && !unreached, unreached && sessions.state === 'open' ? 'unreachable' : sessions.state)
  }
  internalPath(app, PATHS.ready, ready)
  // It is asked there before anybody could be served here.
  ops?.add(PATHS.ready, () => sessions.state === 'open' && !app.server.listening ? health(false, 'starting') : ready())
  healthPath(app, PATHS.alive, () => health(behindOthers ? sessions.state === 'open' : sessions.state !== 'superseded'))
  healthPath(app, PATHS.live, () => health(true))
  if (selfCheck === undefined) return
  internalPath(app, PATHS.self, ({ headers }) => {
    const answer = selfCheck.answer(headers[SELF])
    return answer === undefined ? { status: 404, body: {} } : { status: 200, body: { answer } }
  })
  internalPath(app, PATHS.owner, request => whoHolds(options, request))
  internalPath(app, PATHS.take, request => whoTakes(options, request))
}

/** The name of the endpoint whose sessions a question is about. */
function endpointIn (headers: InternalRequest['headers']): string {
  return String(headers[ENDPOINT] ?? DEFAULT_ENDPOINT)
}

/** Whether this node takes the sessions that are asked for: what it says holds for a moment, and nothing comes of the question itself. */
async function whoTakes ({ sessions, adoptionAt, proofs }: InternalOptions, { headers }: InternalRequest): Promise<InternalAnswer> {
  const proof = headers[PROOF]
  const secret = proofs.check(proof, { purpose: 'take', url: sessions.node.url!, method: 'GET', sessions: String(headers[SESSIONS] ?? '').split(',') })
  if (secret === undefined) return { status: 403, body: JSON.parse(UNVERIFIED) as object }
  const body = { takes: adoptionAt(endpointIn(headers))?.takes === true }
  return { status: 200, headers: { [PROOF]: proofs.answer(secret, proof as string, JSON.stringify(body)) }, body }
}

/** Which of the sessions that are asked for live here. */
async function whoHolds ({ sessions, directory, proofs }: InternalOptions, { headers }: InternalRequest): Promise<InternalAnswer> {
  const digests = headers[SESSIONS]
  const asked = typeof digests === 'string' ? digests.split(',') : [String(headers['mcp-session-id'] ?? '')]
  const idOf = (name: string): string | undefined => typeof digests === 'string' ? sessions.idOf(name) : name
  const endpoint = endpointIn(headers)
  const held = (id: string | undefined): string | undefined => id === undefined || sessions.state === 'superseded' ? undefined : sessions.holds(id, endpoint)
  const proof = headers[PROOF]
  const secret = proofs.check(proof, { purpose: 'question', url: sessions.node.url!, method: 'GET', sessions: asked })
  if (secret === undefined) {
    // A node of format 0 (lib/format.ts) proves nothing, and takes any answer but its own for "not mine". It may have come a moment ago, and while Redis is away there may be one that nobody here knows.
    const old = proof === undefined && (directory.doubtful || await directory.oldestFormat() === 0)
    if (!old) return { status: 403, body: JSON.parse(UNVERIFIED) as object }
    const epoch = held(idOf(asked[0]!))
    return epoch === undefined ? { status: 404, body: {} } : { status: 200, body: { epoch } }
  }
  const closing = headers[UNRECORDED] === undefined ? [] : await directory.closing()
  const mine = asked.map(name => [name, idOf(name)] as const).filter(([, id]) => held(id) !== undefined && !closing.includes(id!))
  // Its record was looked for in vain: it is written again at once.
  if (headers[UNRECORDED] !== undefined) for (const [, id] of mine) directory.changed(id!)
  const body = { held: Object.fromEntries(mine.map(([name, id]) => [name, held(id)])), doubtful: directory.doubtful }
  return { status: 200, headers: { [PROOF]: proofs.answer(secret, proof as string, JSON.stringify(body)) }, body }
}
