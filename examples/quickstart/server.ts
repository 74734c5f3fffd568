// One node, no Redis, no proxy: `npm start`. The same application runs on many
// nodes once it has a Redis and a `node.url`; see the README. It serves clients
// with sessions and, on the same url, those without: docs/eras.md.
import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import fastify from 'fastify'
import mcpSticky, { closeOnSignal } from 'fastify-mcp-sticky'
import { z } from 'zod'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

const MAX_NOTEBOOKS = 1000

/** For clients with sessions. One server a session, so what it closes over is the session's own state. */
function createServer (): McpServer {
  const server = new McpServer({ name: 'quickstart', version: '1.0.0' }, { capabilities: { logging: {} } })
  const notes: string[] = []

  server.registerTool('remember', {
    description: 'Keeps a note for the rest of this session and returns all notes so far',
    inputSchema: { note: z.string().min(1).describe('What to remember') }
  }, async ({ note }) => {
    notes.push(note)
    return text(notes.map((note, index) => `${index + 1}. ${note}`).join('\n'))
  })

  addCountdown(server)

  server.registerTool('greet', {
    description: 'Asks the person at the client for a name (elicitation), then greets'
  }, async (extra: Extra) => {
    if (server.server.getClientCapabilities()?.elicitation === undefined) return text('Hello! (This client cannot be asked for a name.)')
    const answer = await server.server.elicitInput({
      message: 'What is your name?',
      requestedSchema: { type: 'object', properties: { name: { type: 'string', title: 'Name' } }, required: ['name'] }
    }, { relatedRequestId: extra.requestId })
    return text(answer.action === 'accept' ? `Hello, ${String(answer.content?.['name'])}!` : 'Hello, whoever you are!')
  })

  return server
}

/**
 * For clients without sessions (MCP 2026-07-28): one server for all of them, so
 * it closes over nothing that is a client's. What a tool keeps has a name that
 * the caller gets and brings again, and that nobody can guess. With more than
 * one node the notebooks would be in a database.
 */
function createSharedServer (): McpServer {
  const server = new McpServer({ name: 'quickstart', version: '1.0.0' }, { capabilities: { logging: {} } })
  const notebooks = new Map<string, string[]>()

  server.registerTool('note', {
    description: 'Keeps a note in a notebook and returns all its notes so far. Without a notebook it begins one: pass on its name with the next note',
    inputSchema: { note: z.string().min(1).describe('What to keep'), notebook: z.string().optional().describe('The notebook, as an earlier call named it') }
  }, async ({ note, notebook }) => {
    const name = notebook ?? randomUUID()
    const notes = notebook === undefined ? [] : notebooks.get(notebook)
    if (notes === undefined) return { ...text('There is no such notebook.'), isError: true }
    notes.push(note)
    notebooks.set(name, notes)
    if (notebooks.size > MAX_NOTEBOOKS) notebooks.delete(notebooks.keys().next().value!)
    return text(`notebook ${name}\n${notes.map((note, index) => `${index + 1}. ${note}`).join('\n')}`)
  })

  addCountdown(server)
  return server
}

/** A tool that keeps nothing is the same for both. */
function addCountdown (server: McpServer): void {
  server.registerTool('countdown', {
    description: 'Counts down, reporting progress at each step',
    inputSchema: { from: z.number().int().min(1).max(20).default(5).describe('First number') }
  }, async ({ from }, extra: Extra) => {
    for (let done = 1; done <= from; done++) {
      await new Promise(resolve => setTimeout(resolve, 200))
      if (extra._meta?.progressToken !== undefined) {
        await extra.sendNotification({
          method: 'notifications/progress',
          params: { progressToken: extra._meta.progressToken, progress: done, total: from, message: `${from - done} to go` }
        })
      }
    }
    return text('lift-off')
  })
}

function text (text: string): { content: [{ type: 'text', text: string }] } {
  return { content: [{ type: 'text', text }] }
}

const app = fastify({ logger: { level: process.env['LOG_LEVEL'] ?? 'info' } })
await app.register(mcpSticky, {
  createServer,
  stateless: { servers: 'shared', createServer: createSharedServer },
  // Nothing has to notice that this node leaves: there is no other, and no proxy.
  drain: { grace: 0 }
})
await app.listen({ port: Number(process.env['PORT'] ?? 3000), host: '127.0.0.1' })

const { port } = app.server.address() as { port: number }
const url = `http://127.0.0.1:${port}/mcp`
console.log(`
MCP server: ${url}

Connect a client, with a session:
  npx @modelcontextprotocol/inspector --cli ${url} --transport http --method tools/list
  claude mcp add --transport http quickstart ${url}
  VS Code, Cursor: { "servers": { "quickstart": { "type": "http", "url": "${url}" } } }

Without one (MCP 2026-07-28):
  curl ${url} -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
    -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: note' \\
    -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"note","arguments":{"note":"buy milk"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'

Ctrl-C stops it.
`)

closeOnSignal(app)
