import type { Dispatcher } from 'undici'

/** Where a node says which of its epochs holds a session. */
export const OWNER_PATH = '/mcp-sticky/owner'

/**
 * Asks a node whether it holds a session: 200 with `{ "epoch": "…" }` if it
 * does. Anything else, and no answer within `bound` milliseconds, counts as a
 * no: undefined. Never rejects.
 */
export async function askOwner (owner: () => Dispatcher, sessionId: string, bound: number): Promise<string | undefined> {
  try {
    const answer = await ask(owner, { 'mcp-session-id': sessionId }, bound)
    if (answer.statusCode !== 200) {
      await answer.body.dump()
      return undefined
    }
    const { epoch } = await answer.body.json() as { epoch?: unknown }
    return typeof epoch === 'string' ? epoch : undefined
  } catch {
    return undefined
  }
}

async function ask (node: () => Dispatcher, headers: Record<string, string>, bound: number): Promise<Dispatcher.ResponseData> {
  return node().request({ method: 'GET', path: OWNER_PATH, headers, signal: AbortSignal.timeout(bound) })
}
