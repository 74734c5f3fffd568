import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv'
import { McpServer as McpServer2 } from '@modelcontextprotocol/server'
import { AjvJsonSchemaValidator as AjvJsonSchemaValidator2 } from '@modelcontextprotocol/server/validators/ajv'
import { z } from 'zod'

// One for the process, as in echo.js: what is compared is not how often it is made.
const validators = { v1: new AjvJsonSchemaValidator(), v2: new AjvJsonSchemaValidator2() }
const text = z.string()
const shapes = { v1: { text }, v2: z.object({ text }) }
const LIST_HOLDS = 600_000

/**
 * A server of either line of the SDK with so many tools, `echo` being the first.
 * Its schema is made once; those of the others with the server, as in most
 * applications. That of 2.x lets anybody be told its tools for a while.
 */
export function createTools (line, count) {
  const options = { jsonSchemaValidator: validators[line], cacheHints: { 'tools/list': { ttlMs: LIST_HOLDS, cacheScope: 'public' } } }
  const server = line === 'v1' ? new McpServer({ name: 'tools', version: '1.0.0' }, options) : new McpServer2({ name: 'tools', version: '1.0.0' }, options)
  server.registerTool('echo', { description: 'Says what it is told', inputSchema: shapes[line] }, ({ text }) => said(text))
  for (let i = 1; i < count; i++) {
    const shape = { text: z.string().describe('What to say'), times: z.number().int().min(1).max(10).optional(), loud: z.boolean().optional() }
    server.registerTool(`tool-${i}`, { description: `Says something in way ${i}`, inputSchema: line === 'v1' ? shape : z.object(shape) }, ({ text }) => said(text))
  }
  return server
}

function said (text) {
  return { content: [{ type: 'text', text }] }
}
