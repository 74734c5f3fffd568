/** What came of a check. `saw`: what was seen, or why nothing was looked at. */
export interface Seen { verdict: 'ok' | 'failed' | 'skipped', saw: string }

export const ok = (saw: string): Seen => ({ verdict: 'ok', saw })
export const failed = (saw: string): Seen => ({ verdict: 'failed', saw })
export const skipped = (saw: string): Seen => ({ verdict: 'skipped', saw })

/** Where a cure is to be applied. */
export type Place = 'nodes' | 'Redis' | 'Traefik' | 'nginx' | 'HAProxy' | 'Kubernetes'

/** One thing that is looked at. */
export interface Check<On> {
  /** [a-z0-9-] */
  name: string
  /** Why it is not looked at; undefined: it is. */
  skip?: (on: On) => string | undefined
  /** For how long it may run, in milliseconds. Default 15 s. */
  bound?: (on: On) => number
  /** An error that it throws is what was seen, and the check has failed. */
  run: (on: On, signal: AbortSignal) => Promise<Seen>
  /** When it fails nothing after it is looked at. */
  gate?: true
  /** What becomes of clients when it fails. */
  why: string
  /** What to set, where that applies. */
  cure: Readonly<Partial<Record<Place, string>>>
}

/** A check, and what came of it. */
export interface Finding extends Seen {
  check: string
  why: string
  cure: Check<never>['cure']
}

const BOUND = 15_000

/** Runs checks, one after the other. */
export async function examine<On> (checks: ReadonlyArray<Check<On>>, on: On): Promise<Finding[]> {
  const findings: Finding[] = []
  let shut: string | undefined
  for (const check of checks) {
    const seen = shut === undefined ? await look(check, on) : skipped(`${shut} has failed`)
    const { name, why, cure, gate } = check
    if (gate === true && seen.verdict === 'failed') shut ??= name
    findings.push({ check: name, ...seen, why, cure })
  }
  return findings
}

async function look<On> (check: Check<On>, on: On): Promise<Seen> {
  const why = check.skip?.(on)
  if (why !== undefined) return skipped(why)
  const bound = check.bound?.(on) ?? BOUND
  const late = failed(`no answer within ${bound / 1000} s`)
  const stop = new AbortController()
  return await new Promise(resolve => {
    const timer = setTimeout(() => {
      stop.abort()
      // What does not listen to the signal is not waited for either.
      resolve(late)
    }, bound)
    const settle = (seen: Seen): void => {
      clearTimeout(timer)
      resolve(seen)
    }
    check.run(on, stop.signal).then(settle, (error: unknown) => settle(stop.signal.aborted ? late : failed(wordsOf(error))))
  })
}

/** An error in words: of several the first. */
export function wordsOf (error: unknown): string {
  const { message, code, errors, cause } = Object(error) as { message?: string, code?: string, errors?: unknown[], cause?: unknown }
  if (errors?.[0] !== undefined) return wordsOf(errors[0])
  return message || code || (cause === undefined ? String(error) : wordsOf(cause))
}
