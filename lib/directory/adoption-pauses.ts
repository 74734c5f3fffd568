/**
 * For how long a session is left alone after its first failed adoption, and
 * after its second, in milliseconds: what the application needs for it may be
 * back by then. Failures within a pause count as the one that it follows. After one more failure than there are pauses nobody
 * tries another.
 */
export const ADOPTION_PAUSES = [5_000, 30_000]

/** Whether nobody tries another adoption after so many failures. */
export function isAbandoned (failures: number): boolean {
  return failures > ADOPTION_PAUSES.length
}

/** Milliseconds until an adoption may be tried again; `since`: milliseconds since the last of the failures was counted. */
export function adoptionPause (failures: number, since = 0): number {
  return Math.max(0, (ADOPTION_PAUSES[failures - 1] ?? 0) - Math.max(0, since))
}
