import { InsufficientScopeError } from 'fastify-mcp-sticky'

/** What every request needs, and what is asked for at first. */
export const AT_FIRST = ['notes:read']
/** What tools need besides. */
const OF_TOOLS: Readonly<Record<string, readonly string[]>> = { keep: ['notes:write'] }

/**
 * Before a tool is called: does the token cover it? A client that has less is
 * told all that the call needs, and asks its user for that.
 * @param body of the request, as its bytes; undefined for GET and DELETE
 * @param granted the scopes of its token
 */
export function checkScopes (body: unknown, granted: readonly string[]): void {
  const needed = [...AT_FIRST, ...toolsIn(body).flatMap(tool => OF_TOOLS[tool] ?? [])]
  if (!needed.every(scope => granted.includes(scope))) throw new InsufficientScopeError([...new Set(needed)])
}

/** The tools that a message calls, or those of a batch. What is no JSON the endpoint refuses itself. */
function toolsIn (body: unknown): string[] {
  try {
    const messages = [JSON.parse(String(body))].flat() as Array<{ method?: unknown, params?: { name?: unknown } } | null>
    return messages.flatMap(message => message?.method === 'tools/call' ? [String(message.params?.name)] : [])
  } catch {
    return []
  }
}
