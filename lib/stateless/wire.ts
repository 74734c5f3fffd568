import type { JsonRpcError, JsonRpcRequest, JsonRpcResult } from '../transport/messages.ts'
import { CACHEABLE, META, REVISIONS } from './revision.ts'

/** What a server of SDK 1.x says of itself. */
export interface Identity {
  serverInfo: unknown
  capabilities: Record<string, unknown>
  instructions: string | undefined
}

/** Requests of the sessions that have no place without them (spec 2026-07-28, Changelog). */
const GONE: ReadonlySet<string> = new Set(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'])
/** Codes of the sessions, and what is said instead (Basic, Error Codes). */
const CODES: ReadonlyMap<number, number> = new Map([[-32002, -32602], [-32042, -32603]])

/** Whether a server of SDK 1.x would answer a method that this revision does not have. Tasks are never declared. */
export function isGone (method: string): boolean {
  return GONE.has(method) || method.startsWith('tasks/')
}

/** A request as SDK 1.x knows them: without the envelope, which is no client's to claim there. */
export function toSessionful (request: JsonRpcRequest): JsonRpcRequest {
  const { _meta: meta, requestState, inputResponses, ...params } = request.params as Record<string, unknown> & { _meta: Record<string, unknown> }
  const rest: Record<string, unknown> = {}
  for (const name in meta) if (!name.startsWith('io.modelcontextprotocol/')) rest[name] = meta[name]
  return { ...request, params: Object.keys(rest).length > 0 ? { ...params, _meta: rest } : params }
}

/** An answer of SDK 1.x as this revision has them: its kind, for how long it holds, and who gives it. */
export function toStateless (method: string, response: JsonRpcResult | JsonRpcError, { serverInfo }: Identity): JsonRpcResult | JsonRpcError {
  if ('error' in response) {
    const code = CODES.get(response.error.code)
    return code === undefined ? response : { ...response, error: { code, message: response.error.message } }
  }
  const { result } = response
  return {
    ...response,
    result: {
      ...(method === 'tools/list' ? withoutExecution(result) : result),
      resultType: 'complete',
      ...(CACHEABLE.has(method) && { ttlMs: ttl(result['ttlMs']), cacheScope: result['cacheScope'] === 'public' ? 'public' : 'private' }),
      _meta: { [META.serverInfo]: serverInfo, ...(result['_meta'] as object | undefined) }
    }
  }
}

/** The result of server/discover, which SDK 1.x does not know (Discover). */
export function discovery ({ capabilities, instructions }: Identity): Record<string, unknown> {
  return { supportedVersions: REVISIONS, capabilities: declared(capabilities), ...(instructions !== undefined && { instructions }) }
}

/** What is declared of a server's capabilities: no tasks, and no changes, since nobody can listen to them yet. */
export function declared (capabilities: Record<string, unknown>): Record<string, unknown> {
  const { tasks, ...rest } = capabilities
  for (const name of ['tools', 'prompts', 'resources']) {
    if (typeof rest[name] !== 'object' || rest[name] === null) continue
    const { listChanged, subscribe, ...own } = rest[name] as Record<string, unknown>
    rest[name] = own
  }
  return rest
}

/** How a tool may become a task is no part of this revision. */
function withoutExecution (result: Record<string, unknown>): Record<string, unknown> {
  const { tools } = result
  if (!Array.isArray(tools)) return result
  return {
    ...result,
    tools: tools.map(tool => {
      const { execution, ...rest } = tool as Record<string, unknown>
      return rest
    })
  }
}

function ttl (value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : 0
}
