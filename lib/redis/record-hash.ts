import { FORMAT, OLDEST_READER } from '../format.ts'
import { adoptionPause } from '../directory/adoption-pauses.ts'
import { incarnationOf } from '../directory/node.ts'
import type { NodeIdentity } from '../directory/node.ts'
import type { NewRecord, OwnerFacts, Replay, SessionRecord } from '../directory/record.ts'
import { json } from './json.ts'
import { isNodeId, isNodeUrl } from './nodes/node-state.ts'

const NAME = 256
const VERSION = 64

/** The fields that a session knows, as field, value, ...; an empty value stands for none. */
export function toHash (record: NewRecord): string[] {
  return [
    'createdAt', String(record.createdAt),
    'protocolVersion', record.protocolVersion,
    'clientInfo', JSON.stringify(short(record.clientInfo)),
    'principal', record.principal ?? '',
    ...changeable(record)
  ]
}

/** The fields that change while a session lives. */
export function changeable ({ replay, state }: NewRecord): string[] {
  return [
    'initialize', replay?.initialize ?? '',
    'logLevel', replay?.logLevel ?? '',
    'subscriptions', replay ? JSON.stringify(replay.subscriptions) : '',
    'state', state ?? ''
  ]
}

/**
 * A record from Redis' field, value, ...; undefined when there is none, or no node's. Others
 * may have written it: a field that makes no sense counts as absent, and
 * a replay that does not is none.
 */
export function fromHash (id: string, reply: unknown): SessionRecord | undefined {
  const fields = new Map<string, string>()
  const flat = reply as string[]
  for (let i = 0; i < flat.length; i += 2) fields.set(flat[i]!, flat[i + 1]!)
  const node = fields.get('node')
  if (node === undefined || !isNodeId(node)) return undefined
  const url = fields.get('url')
  const state = fields.get('state')
  const adoptionFailures = number(fields.get('adoptionFailures'))
  return {
    id,
    node,
    epoch: fields.get('epoch') ?? '',
    createdAt: number(fields.get('createdAt')),
    lastSeenAt: number(fields.get('lastSeenAt')),
    protocolVersion: fields.get('protocolVersion') ?? '',
    clientInfo: clientInfo(fields.get('clientInfo')),
    principal: fields.get('principal'),
    url: isNodeUrl(url) ? url : undefined,
    owner: ownerFacts(fields.get('owner'), fields.get('epoch')),
    released: fields.has('released') || undefined,
    formerly: fields.get('formerly')?.split(',').filter(isNodeId),
    replay: replay(fields),
    state: json(state) === undefined ? undefined : state,
    adoptionFailures,
    adoptionPause: fields.has('adoptionFailedAgo') ? adoptionPause(adoptionFailures, number(fields.get('adoptionFailedAgo'))) : 0,
    reader: format(fields.get('reader'))
  }
}

function replay (fields: Map<string, string>): Replay | undefined {
  const initialize = fields.get('initialize')
  const subscriptions = json(fields.get('subscriptions') ?? '[]')
  if (initialize === undefined || !isObject(json(initialize)) || !isStrings(subscriptions)) return undefined
  return { initialize, logLevel: fields.get('logLevel'), subscriptions }
}

/** What a node says of itself in its records, and who may serve them; a node of format 0 leaves what it finds. */
export function ownerFields ({ incarnation, url, reached }: Pick<NodeIdentity, 'incarnation' | 'url' | 'reached'>): string[] {
  return ['url', url ?? '', 'owner', `${incarnation} ${FORMAT} ${reached === true ? 1 : 0}`, 'reader', String(OLDEST_READER)]
}

/** The same of a record that is given back to its owner. */
export function formerOwnerFields ({ epoch, url, owner, reader }: Pick<SessionRecord, 'epoch' | 'url' | 'owner' | 'reader'>): string[] {
  const said = owner === undefined ? '' : `${incarnationOf(epoch)} ${owner.format} ${owner.reached ? 1 : 0}`
  return ['url', url ?? '', 'owner', said, 'reader', reader === undefined ? '' : String(reader)]
}

function format (text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

/** Undefined where it is not of the record's owner. */
function ownerFacts (text: string | undefined, epoch: string | undefined): OwnerFacts | undefined {
  const [, incarnation, format, reached] = /^(\S+) (\d{1,9}) ([01])$/.exec(text ?? '') ?? []
  if (incarnation === undefined || epoch?.startsWith(`${incarnation}.`) !== true) return undefined
  return { format: Number(format), reached: reached === '1' }
}

function clientInfo (text: string | undefined): SessionRecord['clientInfo'] {
  const { name, version } = Object(json(text))
  return { name: typeof name === 'string' ? name : '', version: typeof version === 'string' ? version : '' }
}

function number (text: string | undefined): number {
  const value = Number(text)
  return Number.isFinite(value) ? value : 0
}

function isObject (value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isStrings (value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

/** A client may call itself anything; the directory keeps the beginning. */
function short ({ name, version }: NewRecord['clientInfo']): NewRecord['clientInfo'] {
  return { name: String(name).slice(0, NAME), version: String(version).slice(0, VERSION) }
}
