import { endpointOf } from '../endpoint-name.ts'
import type { SessionRecord } from './record.ts'

/** Who asked for a removal: a caller by its key, or the application itself, for sessions of that endpoint or of any. */
export type Remover = { principal: string | undefined } | { endpoint: string } | 'any'

/** Whether a session is theirs who want it ended. */
export function mayRemove (by: Remover, { principal }: Pick<SessionRecord, 'principal'>): boolean {
  if (by === 'any') return true
  return 'endpoint' in by ? by.endpoint === endpointOf(principal) : by.principal === principal
}

/** A text by which removers are told apart. */
export function removerKey (by: Remover): string {
  if (by === 'any') return by
  return 'endpoint' in by ? `any of ${by.endpoint}` : `by ${by.principal}`
}
