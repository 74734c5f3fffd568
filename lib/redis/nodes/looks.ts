import type { Look } from '../../directory/look.ts'
import type { Unreadable } from '../link/unreadable.ts'
import { json } from '../json.ts'
import type { Keys } from '../keys.ts'
import type { Link } from '../link/link.ts'
import { putLook, readLooks } from '../scripts/member-scripts.ts'

/** How long what was seen is kept, in milliseconds: longer than anybody waits for it. */
const LIFE = 2 * 60_000

/** What a node answered to one who asked it to look. */
export interface Answered extends Look {
  /** How far its clock is before that of Redis, in milliseconds; behind is negative. Too small by the time that its answer took to Redis. */
  ahead: number
}

export async function writeLook (link: Pick<Link, 'run'>, keys: Keys, node: string, token: string, look: Look): Promise<void> {
  await link.run(putLook, keys.looks(token), [node, JSON.stringify({ at: Date.now(), ...look }), String(LIFE)])
}

/** The answers to this token, by node id. What makes no sense is left out. */
export async function readAnswers (link: Pick<Link, 'run'>, keys: Keys, unreadable: Unreadable, token: string): Promise<Map<string, Answered>> {
  const flat = await unreadable.orAbsent<string[]>('what the nodes saw', link.run(readLooks, keys.looks(token)), [])
  const answers = new Map<string, Answered>()
  for (let i = 0; i < flat.length; i += 2) {
    const answer = readAnswer(flat[i + 1]!)
    if (answer !== undefined) answers.set(flat[i]!, answer)
  }
  return answers
}

function readAnswer (value: string): Answered | undefined {
  const [, written, text] = /^(\d{1,15}) (.+)$/.exec(value) ?? []
  if (text === undefined) return undefined
  const { at, version, forwarded, sees } = Object(json(text))
  if (typeof at !== 'number' || typeof version !== 'string' || typeof forwarded !== 'number' || typeof sees !== 'object') return undefined
  const seen = Object.entries(Object(sees) as object).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return { version, forwarded, sees: Object.fromEntries(seen), ahead: at - Number(written) }
}
