/** What a 401, or a 403 for want of scope, tells its client (RFC 6750, section 3; RFC 9728, section 5.1). */
export interface BearerParams {
  /** Url of the metadata of the protected resource. */
  metadata: string
  /** Scopes that the endpoint asks for at first; empty: it says nothing of them. */
  scopes: readonly string[]
}

/** A scheme and what follows it, each parameter as it was written: `realm="a"`. */
interface Challenge { scheme: string, params: string[] }

/**
 * `WWW-Authenticate` of an answer, with all that its client needs to find the
 * authorization server; undefined: the answer needs nothing more.
 *
 * A 401 gets a Bearer challenge, or its own one gets what it lacks. A 403 is
 * completed where it says `insufficient_scope`: which scopes, it has to say
 * itself. What names its metadata already is left as it is. The challenge for
 * Bearer goes first, since there are clients that read no further.
 * @param present the field's value or values, as Node has them
 */
export function challenged (status: number, present: unknown, { metadata, scopes }: BearerParams): string | undefined {
  if (status !== 401 && status !== 403) return undefined
  const challenges = present === undefined ? [] : challengesOf([present].flat().join(', '))
  const own = challenges.find(({ scheme }) => scheme.toLowerCase() === 'bearer')
  const params = own?.params ?? []
  if (status === 403 && !params.some(param => /^error\s*=\s*"?insufficient_scope"?$/i.test(param))) return undefined
  if (names(params, 'resource_metadata')) return undefined
  const more = [param('resource_metadata', metadata)]
  if (status === 401 && scopes.length > 0 && !names(params, 'scope')) more.push(param('scope', scopes.join(' ')))
  const bearer = { scheme: own?.scheme ?? 'Bearer', params: [...params, ...more] }
  return [bearer, ...challenges.filter(challenge => challenge !== own)].map(written).join(', ')
}

/** The challenge of a 403 whose token lacks scopes (RFC 6750, section 3.1). */
export function insufficientScope (scopes: readonly string[]): string {
  return written({ scheme: 'Bearer', params: [param('error', 'insufficient_scope'), param('scope', scopes.join(' '))] })
}

/** The challenges of a field (RFC 9110, section 11.6.1): commas part them, and their parameters too. */
function challengesOf (field: string): Challenge[] {
  const challenges: Challenge[] = []
  for (const part of field.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []) {
    const text = part.trim()
    const [, scheme, rest = ''] = /^(\S+)\s*(.*)$/s.exec(text) ?? []
    if (scheme === undefined) continue
    const last = challenges.at(-1)
    if (last !== undefined && /^[^\s="]+\s*=/.test(text)) last.params.push(text)
    else challenges.push({ scheme, params: rest === '' ? [] : [rest] })
  }
  return challenges
}

function names (params: readonly string[], name: string): boolean {
  return params.some(param => new RegExp(`^${name}\\s*=`, 'i').test(param))
}

/** A quoted string, whatever is in the value. */
function param (name: string, value: string): string {
  return `${name}="${value.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`
}

function written ({ scheme, params }: Challenge): string {
  return params.length === 0 ? scheme : `${scheme} ${params.join(', ')}`
}
