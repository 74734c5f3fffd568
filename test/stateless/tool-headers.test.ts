// Fields that repeat arguments, for every kind of server that may say what its tools take.
import { McpServer as McpServer1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { Server } from '@modelcontextprotocol/server'
import t from 'tap'
import { z } from 'zod'
import { startApp } from '../fixtures/app.ts'
import { callTool, statelessServer } from '../fixtures/stateless.ts'

const schema = { type: 'object' as const, properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }
const makers: Record<string, () => any> = {
  'McpServer 2.x': () => statelessServer(),
  'Server 2.x': () => {
    const server = new Server({ name: 'low', version: '1' }, { capabilities: { tools: {} } })
    server.setRequestHandler('tools/list', ({ params }) => params?.cursor === undefined ? { tools: [], nextCursor: 'more' } : { tools: [{ name: 'region', inputSchema: schema }] })
    server.setRequestHandler('tools/call', ({ params }) => ({ content: [{ type: 'text', text: String(params.arguments?.['region']) }] }))
    return server
  },
  'McpServer 1.x': () => {
    const server = new McpServer1({ name: 'one', version: '1' })
    server.registerTool('region', { inputSchema: z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }) }) as any }, async ({ region }: any): Promise<any> => ({ content: [{ type: 'text', text: region }] }))
    return server
  }
}

for (const servers of ['each', 'shared'] as const) {
  for (const [line, createServer] of Object.entries(makers)) {
    t.test(`${servers}, ${line}`, async t => {
      const { url } = await startApp(t, { stateless: { servers: servers as 'shared', createServer } })
      const region = (field: string | undefined, args: object = { region: 'a' }) => callTool(url, 'region', args, { headers: field === undefined ? {} : { 'mcp-param-region': field } })
      t.match((await region('a')).body.result, { content: [{ text: 'a' }] })
      t.match(await region('b'), { status: 400, body: { error: { code: -32020, data: { reason: 'header_mismatch' } } } })
      t.match(await region('=?base64?!?='), { status: 400, body: { error: { code: -32020 } } })
      if (servers === 'shared' || line === 'McpServer 2.x') t.match(await region(undefined), { status: 400, body: { error: { code: -32020 } } })
      t.equal((await callTool(url, 'none', {})).status, 200, 'an unknown tool is the server\'s to refuse')
      t.equal((await callTool(url, '__proto__', {})).status, 200)
    })
  }
}

t.test('tools that change', async t => {
  const server = statelessServer()
  const { url } = await startApp(t, { stateless: { servers: 'shared', createServer: () => server } })
  t.equal((await callTool(url, 'later', { zone: 'a' })).status, 200)
  server.registerTool('later', { inputSchema: z.object({ zone: z.string().meta({ 'x-mcp-header': 'Zone' }) }) }, async () => ({ content: [] }))
  t.equal((await callTool(url, 'later', { zone: 'a' })).status, 400)
  t.equal((await callTool(url, 'later', { zone: 'a' }, { headers: { 'mcp-param-zone': 'a' } })).status, 200)
})
