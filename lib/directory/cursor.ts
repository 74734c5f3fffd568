import { OptionError } from '../errors.ts'
import type { SessionRecord } from './record.ts'

/** Where a page of sessions ended: node id, last use (milliseconds, as text) and session id of its last entry. */
export type Position = [node: string, score: string, id: string]

const TEXT = /^[\x20-\x7e]{0,200}$/
const NUMBER = /^\d{0,20}$/

export function toCursor (position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** @throws OptionError for a cursor that is not ours. */
export function fromCursor (cursor: string): Position {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    throw malformed()
  }
  if (!isPosition(value)) throw malformed()
  return value
}

function isPosition (value: unknown): value is Position {
  return Array.isArray(value) && value.length === 3 && value.every(part => typeof part === 'string' && TEXT.test(part)) && NUMBER.test(value[1])
}

function malformed (): Error {
  return new OptionError('cursor', 'must be one that an earlier page handed out')
}

/** What a listing is in the order of. */
type Place = Pick<SessionRecord, 'node' | 'lastSeenAt' | 'id'>

export function byNodeAndUse (a: Place, b: Place): number {
  return compare(a.node, b.node) || a.lastSeenAt - b.lastSeenAt || compare(a.id, b.id)
}

export function compare (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
