import type { JsonRpcNotification, JsonRpcRequest } from '../transport/messages.ts'
import { decoded, single } from './header-value.ts'
import { isSessionless, LEVELS, META, NAMED, REVISIONS } from './revision.ts'

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Why a message is not served, as the catalogue of refusals names it. The detail has nothing that a client wrote: it goes to the log. */
export interface Problem {
  reason: 'header_mismatch' | 'envelope_invalid' | 'version_unsupported'
  detail: string
  data?: Record<string, unknown>
}

/**
 * Which of the two eras a body is of: that of sessions, or that in which each
 * message says in `_meta` who sends it (spec 2026-07-28, Versioning, Backward
 * Compatibility). The body decides; the header of a version alone makes a
 * request stateless where its `_meta` is missing, to be refused.
 */
export function eraOf (body: unknown, version: string | undefined): 'sessions' | 'stateless' {
  if (Array.isArray(body)) return body.some(message => isObject(message) && claims(message)) ? 'stateless' : 'sessions'
  if (!isObject(body) || typeof body['method'] !== 'string') return 'sessions'
  if (isSessionless(version)) return 'stateless'
  if (!claims(body)) return 'sessions'
  // The handshake of the sessions is theirs, unless it is wholly in the dress of the other era.
  return body['method'] === 'initialize' && !isEnveloped(body as unknown as JsonRpcRequest) ? 'sessions' : 'stateless'
}

/** Whether something that is no message yet has a `_meta` that is no object: that is the envelope's fault, not the message's. */
export function isMetaMalformed (body: unknown): boolean {
  const params = isObject(body) ? body['params'] : undefined
  return isObject(params) && params['_meta'] !== undefined && !isObject(params['_meta'])
}

/**
 * What is wrong with a message of the stateless era before any server sees it,
 * if anything is: the envelope, then header fields that say something else,
 * then the version, then fields that are missing. Pure.
 */
export function problemOf (message: JsonRpcRequest | JsonRpcNotification, headers: Headers): Problem | undefined {
  const version = single(headers['mcp-protocol-version'])
  const method = single(headers['mcp-method'])
  const isRequest = 'id' in message
  const meta = message.params?.['_meta'] as Record<string, unknown> | undefined
  if (meta?.[META.version] === undefined) return isRequest ? withoutClaim(message, meta) : unclaimedNotification(message, version, method)
  if (isRequest && message.method === 'initialize' && !isEnveloped(message)) {
    return mismatch('initialize opens a session, and MCP-Protocol-Version names a revision without them')
  }
  const malformed = isRequest ? metaProblem(meta) : versionProblem(meta)
  if (malformed !== undefined) return invalid(malformed)
  const claimed = meta[META.version] as string
  if (version !== undefined && version !== claimed) return mismatch('MCP-Protocol-Version is not the version in _meta')
  if (method !== undefined && method !== message.method) return mismatch('Mcp-Method is not the method of the body')
  if (!REVISIONS.includes(claimed)) return unsupported(claimed)
  if (!isRequest) return undefined
  if (version === undefined) return mismatch('MCP-Protocol-Version is missing')
  if (method === undefined) return mismatch('Mcp-Method is missing')
  return nameProblem(message, headers)
}

/** Notifications carry no envelope, so the header decides for them. */
function unclaimedNotification (message: JsonRpcNotification, version: string | undefined, method: string | undefined): Problem | undefined {
  if (method !== undefined && method !== message.method) return mismatch('Mcp-Method is not the method of the body')
  return version === undefined || REVISIONS.includes(version) ? undefined : unsupported(version)
}

/** A request without one lacks what it must have. */
function withoutClaim (message: JsonRpcRequest | JsonRpcNotification, meta: Record<string, unknown> | undefined): Problem {
  if (message.method === 'initialize') return mismatch('initialize opens a session, and MCP-Protocol-Version names a revision without them')
  return invalid(meta === undefined ? '_meta is missing' : `_meta["${META.version}"] is missing`)
}

/** Mcp-Name repeats the name, uri or task of the methods that have one. */
function nameProblem ({ method, params }: JsonRpcRequest, headers: Headers): Problem | undefined {
  const source = NAMED.get(method)
  if (source === undefined) return undefined
  const field = single(headers['mcp-name'])
  const name = params?.[source]
  // What has no name is the method's to refuse.
  if (typeof name !== 'string') return field === undefined || decoded(field) !== undefined ? undefined : mismatch('Mcp-Name is no valid Base64')
  if (field === undefined) return mismatch(`Mcp-Name is missing; it repeats params.${source}`)
  const value = decoded(field)
  if (value === undefined) return mismatch('Mcp-Name is no valid Base64')
  return value === name ? undefined : mismatch(`Mcp-Name is not params.${source}`)
}

/** What is wrong with the envelope of a request, if anything is. */
function metaProblem (meta: Record<string, unknown>): string | undefined {
  const problem = versionProblem(meta)
  if (problem !== undefined) return problem
  const capabilities = meta[META.capabilities]
  if (capabilities === undefined) return `_meta["${META.capabilities}"] is missing`
  if (!isObject(capabilities)) return `_meta["${META.capabilities}"] must be an object`
  for (const name of ['experimental', 'sampling', 'elicitation', 'roots', 'extensions']) {
    if (capabilities[name] !== undefined && !isObject(capabilities[name])) return `_meta["${META.capabilities}"].${name} must be an object`
  }
  const info = meta[META.clientInfo]
  if (info !== undefined && !(isObject(info) && typeof info['name'] === 'string' && typeof info['version'] === 'string')) {
    return `_meta["${META.clientInfo}"] must have a name and a version`
  }
  for (const name of ['title', 'description', 'websiteUrl']) {
    if (info?.[name] !== undefined && typeof info[name] !== 'string') return `_meta["${META.clientInfo}"].${name} must be a string`
  }
  if (info?.['icons'] !== undefined && !Array.isArray(info['icons'])) return `_meta["${META.clientInfo}"].icons must be an array`
  const level = meta[META.logLevel]
  if (level !== undefined && !LEVELS.includes(level as string)) return `_meta["${META.logLevel}"] must be one of ${LEVELS.join(', ')}`
  return undefined
}

function versionProblem (meta: Record<string, unknown>): string | undefined {
  return typeof meta[META.version] === 'string' ? undefined : `_meta["${META.version}"] must be a string`
}

function isEnveloped ({ params }: JsonRpcRequest): boolean {
  const meta = params?.['_meta']
  return isObject(meta) && metaProblem(meta) === undefined && isSessionless(meta[META.version] as string)
}

function claims ({ params }: Record<string, unknown>): boolean {
  const meta = isObject(params) ? params['_meta'] : undefined
  return isObject(meta) && meta[META.version] !== undefined
}

function unsupported (version: string): Problem {
  return { reason: 'version_unsupported', detail: REVISIONS.join(', '), data: { supported: REVISIONS, requested: version.slice(0, 64) } }
}

function mismatch (detail: string): Problem {
  return { reason: 'header_mismatch', detail }
}

function invalid (detail: string): Problem {
  return { reason: 'envelope_invalid', detail }
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
