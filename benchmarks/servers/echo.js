import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv'
import { z } from 'zod'

// One for the process: each of the SDK's servers would make its own otherwise,
// and that would be most of what opening a session costs.
const jsonSchemaValidator = new AjvJsonSchemaValidator()
const inputSchema = { text: z.string() }

/** The server object that every contestant serves: one tool, `echo`. */
export function createEcho () {
  const server = new McpServer({ name: 'echo', version: '1.0.0' }, { jsonSchemaValidator })
  server.registerTool('echo', { description: 'Says what it is told', inputSchema }, ({ text }) => ({
    content: [{ type: 'text', text }]
  }))
  return server
}
