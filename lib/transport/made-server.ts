import type { McpServerLike } from './mcp-server.ts'

/** Servers that were made before, for whichever application and era: the SDK may connect one twice, and take it from who had it first. */
const made = new WeakSet<McpServerLike>()

/** @throws TypeError for what is no server, Error for one that was made before: somebody else has it. */
export function checkMade (server: Partial<McpServerLike> | null | undefined): asserts server is McpServerLike {
  if (typeof server?.connect !== 'function' || typeof server.close !== 'function') {
    throw new TypeError('createServer must return an MCP server, or a promise of one: an object with connect() and close()')
  }
  if (made.has(server as McpServerLike)) throw new Error('createServer returned a server that it had returned before; it must make one server per session')
  made.add(server as McpServerLike)
}
