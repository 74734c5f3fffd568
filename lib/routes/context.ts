import type { FastifyRequest } from 'fastify'
import type { Affinity } from '../affinity/affinity.ts'
import type { Delegation } from '../affinity/delegation.ts'
import type { Eras } from '../affinity/eras.ts'
import type { Caller } from '../security/caller.ts'
import type { AuthInfo, Principal } from '../security/principal.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Unsent } from '../http/unsent.ts'
import type { Stateless } from '../stateless/stateless.ts'
import type { Refuse } from './answers/refusal.ts'

/** What every verb's handler needs. */
export interface RouteContext {
  /** The endpoint's name. */
  endpoint: string
  /** A caller of whom the application says nothing. */
  anonymous: Caller
  sessions: Sessions
  affinity: Affinity
  delegation: Delegation
  eras: Eras
  /** What the node keeps for its clients. */
  unsent: Unsent
  refuse: Refuse
  /** The era without sessions; undefined: this endpoint has sessions alone. */
  stateless: Stateless | undefined
  /** Whether a stream can be resumed on this node. */
  resumable: boolean
  principal: ((request: FastifyRequest) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined
  authInfo: ((request: FastifyRequest) => AuthInfo | undefined | Promise<AuthInfo | undefined>) | undefined
  parseJson: (request: FastifyRequest, body: string, done: (error: Error | null, value?: unknown) => void) => void
}
