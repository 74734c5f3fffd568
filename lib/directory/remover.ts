import type { SessionRecord } from './record.ts'

/** The principal that a removal was asked by: a key, `undefined` for anonymous, or `any` for the application itself. */
export type Remover = { principal: string | undefined } | 'any'

/** Whether a session is theirs who want it ended. */
export function mayRemove (by: Remover, { principal }: Pick<SessionRecord, 'principal'>): boolean {
  return by === 'any' || by.principal === principal
}
