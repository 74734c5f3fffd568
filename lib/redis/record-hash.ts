import type { NewRecord, SessionRecord } from '../sessions/directory.ts'

const NAME = 256
const VERSION = 64

/** The fields that a session knows, as field, value, ... */
export function toHash (record: NewRecord): string[] {
  const fields = [
    'createdAt', String(record.createdAt),
    'protocolVersion', record.protocolVersion,
    'clientInfo', JSON.stringify(short(record.clientInfo))
  ]
  return record.principal === undefined ? fields : [...fields, 'principal', record.principal]
}

/** A record from Redis' field, value, ...; undefined when there is none. */
export function fromHash (id: string, reply: unknown): SessionRecord | undefined {
  const fields = new Map<string, string>()
  const flat = reply as string[]
  for (let i = 0; i < flat.length; i += 2) fields.set(flat[i]!, flat[i + 1]!)
  const node = fields.get('node')
  if (node === undefined) return undefined
  return {
    id,
    node,
    epoch: fields.get('epoch') ?? '',
    createdAt: Number(fields.get('createdAt')),
    lastSeenAt: Number(fields.get('lastSeenAt')),
    protocolVersion: fields.get('protocolVersion') ?? '',
    clientInfo: JSON.parse(fields.get('clientInfo') ?? '{"name":"","version":""}'),
    principal: fields.get('principal')
  }
}

/** A client may call itself anything; the directory keeps the beginning. */
function short ({ name, version }: NewRecord['clientInfo']): NewRecord['clientInfo'] {
  return { name: String(name).slice(0, NAME), version: String(version).slice(0, VERSION) }
}
