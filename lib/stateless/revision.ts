/** The revision without sessions that is served here (docs/specification/2026-07-28 of the Model Context Protocol). */
export const REVISION = '2026-07-28'

/** Every revision without sessions that is served, as discover and refusals name them. */
export const REVISIONS: readonly string[] = [REVISION]

/** Members of `_meta` that the revision defines (Basic, `_meta`). */
export const META = {
  version: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId'
} as const

/** What is told to clients by codes of the revision's own (Basic, Error Codes). */
export const CODES = { methodNotFound: -32601, invalidParams: -32602, capabilityMissing: -32021 } as const

/** The parameter that Mcp-Name repeats, by method (Streamable HTTP, Standard Request Headers). */
export const NAMED: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'], ['prompts/get', 'name'], ['resources/read', 'uri'],
  ['tasks/get', 'taskId'], ['tasks/update', 'taskId'], ['tasks/cancel', 'taskId']
])

/** Results that say how long they hold and for whom (Caching). */
export const CACHEABLE: ReadonlySet<string> = new Set([
  'server/discover', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read'
])

/** What may end in `input_required` (Multi Round-Trip Requests). */
export const ROUNDS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

/** Log levels, the least first (Logging). */
export const LEVELS: readonly string[] = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

/** Whether a version is that of a revision without sessions: they are dates, and compare as text. */
export function isSessionless (version: string | undefined): boolean {
  return version !== undefined && version >= REVISION
}
