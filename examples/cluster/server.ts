import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import type { ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** Something small that goes with the session when another node takes it over. */
export interface Kept { state: unknown }

/**
 * One server a session: what it closes over is the session's state, and lives
 * in this node alone. The notes are in `session.state`, and so outlive it.
 */
export function createServer (node: string, session: () => Kept): McpServer {
  const server = new McpServer({ name: 'cluster', version: '1.0.0' })
  let calls = 0

  server.registerTool('whoami', {
    description: 'Says which node holds this session, and how many calls it has had'
  }, async () => text(JSON.stringify({ node, calls: ++calls })))

  server.registerTool('remember', {
    description: 'Keeps a note for the rest of this session, whatever becomes of its node, and returns all notes so far',
    inputSchema: { note: z.string().min(1).describe('What to remember') }
  }, async ({ note }) => {
    const kept = session()
    const notes = [...kept.state as string[] | undefined ?? [], note]
    kept.state = notes
    return text(JSON.stringify({ node, notes }))
  })

  server.registerTool('countdown', {
    description: 'Counts down, reporting progress at each step: a stream through the proxy',
    inputSchema: { from: z.number().int().min(1).max(60).default(5).describe('First number') }
  }, async ({ from }, extra: Extra) => {
    const progressToken = extra._meta?.progressToken
    for (let progress = 1; progress <= from; progress++) {
      await new Promise(resolve => setTimeout(resolve, 500))
      if (progressToken === undefined) continue
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: from, message: `${from - progress} to go, says ${node}` } })
    }
    return text('lift-off')
  })

  return server
}

function text (text: string): { content: [{ type: 'text', text: string }] } {
  return { content: [{ type: 'text', text }] }
}
