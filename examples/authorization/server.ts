import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { z } from 'zod'

/** One server a session, or for each request of a client without sessions: the notes are the user's, so they are not in it. */
export function createServer (): McpServer {
  const server = new McpServer({ name: 'notes', version: '1.0.0' })

  server.registerTool('whoami', { description: 'Who the caller is, as the token says' }, async extra => {
    const { clientId, scopes } = extra.authInfo!
    return text(`${userOf(extra.authInfo)} by ${clientId}: ${scopes.join(' ')}`)
  })

  server.registerTool('keep', { description: 'Keeps a note', inputSchema: { note: z.string() } }, async ({ note }, extra) => {
    const user = userOf(extra.authInfo)
    notes.set(user, [...notes.get(user) ?? [], note])
    return text(notes.get(user)!.join('\n'))
  })

  return server
}

/** With more than one node they would be in a database. */
const notes = new Map<string, string[]>()

function userOf (authInfo: { extra?: Record<string, unknown> } | undefined): string {
  return String(authInfo?.extra?.['subject'])
}

function text (text: string): { content: [{ type: 'text', text: string }] } {
  return { content: [{ type: 'text', text }] }
}
