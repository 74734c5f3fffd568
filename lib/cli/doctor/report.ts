import { jsonOf, safe, table } from '../table.ts'
import type { Finding } from './check.ts'

/** What replaces a secret. */
const HIDDEN = '***'

/** Takes secrets out of what was seen: an answer may have them in it. */
export function without (secrets: readonly string[], findings: readonly Finding[]): Finding[] {
  const hidden = secrets.filter(secret => secret.length > 3)
  return findings.map(finding => ({ ...finding, saw: hidden.reduce((text, secret) => text.replaceAll(secret, HIDDEN), finding.saw) }))
}

/** For programs: `[{ check, verdict, saw, why, cure }]`. */
export function asJson (findings: readonly Finding[]): string {
  return jsonOf(findings.map(({ check, verdict, saw, why, cure }) => ({ check, verdict, saw, why, cure })))
}

/** For people: all checks, then of each that has failed why it matters, and the cure. */
export function asText (findings: readonly Finding[]): string {
  const bad = findings.filter(({ verdict }) => verdict === 'failed')
  const details = bad.map(({ check, saw, why, cure }) => {
    const cures = Object.entries(cure).map(([place, what]) => `  ${`${place}:`.padEnd(12)}${what}\n`)
    return `\n${check}: ${safe(saw)}\n  ${why}\n${cures.join('')}`
  })
  const count = bad.length === 0 ? 'No check has failed.' : `${bad.length} of ${findings.length} checks failed.`
  return `${table(['CHECK', 'VERDICT', 'SAW'], findings.map(({ check, verdict, saw }) => [check, verdict, saw]))}${details.join('')}\n${count}\n`
}
