// One node, no Redis, no proxy: `npm start`. The same application runs on many
// nodes once it has a Redis and a `node.url`; see the README.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import fastify from 'fastify'
import mcpSticky, { closeOnSignal } from 'fastify-mcp-sticky'
import { z } from 'zod'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

/** One server a session, so what it closes over is the session's own state. */
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

function text (text: string): { content: [{ type: 'text', text: string }] } {
  return { content: [{ type: 'text', text }] }
}

const app = fastify({ logger: { level: process.env['LOG_LEVEL'] ?? 'info' } })
await app.register(mcpSticky, {
  createServer,
  // Nothing has to notice that this node leaves: there is no other, and no proxy.
  drain: { grace: 0 }
})
await app.listen({ port: Number(process.env['PORT'] ?? 3000), host: '127.0.0.1' })

const { port } = app.server.address() as { port: number }
const url = `http://127.0.0.1:${port}/mcp`
console.log(`
MCP server: ${url}

Connect a client:
  npx @modelcontextprotocol/inspector --cli ${url} --transport http --method tools/list
  claude mcp add --transport http quickstart ${url}
  VS Code, Cursor: { "servers": { "quickstart": { "type": "http", "url": "${url}" } } }

Ctrl-C stops it.
`)

closeOnSignal(app)
