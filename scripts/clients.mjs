// Lets the MCP Inspector's CLI, a client that nobody here wrote, initialize,
// list and call against the quickstart and both everything-servers.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startServer } from './server-process.mjs'
import { installTools, toolNode, toolPath } from './tools.mjs'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))
const CALL_LIMIT = 30_000

const servers = [
  {
    name: 'quickstart',
    start: () => startServer(process.execPath, [path('../.build/examples/quickstart/server.js')], { PORT: '0', LOG_LEVEL: 'warn' }),
    tool: 'remember',
    args: ['note=buy milk'],
    answer: '1. buy milk'
  },
  ...['v1', 'v2'].map(line => ({
    name: `everything-server on SDK ${line}`,
    start: () => startServer(toolNode, [path('../test/conformance/server.ts'), line, 'auto']),
    tool: 'test_tool_with_progress',
    args: [],
    answer: 'Tool with progress executed successfully'
  }))
]

installTools()
// The inspector keeps a catalog in the home folder, which is nobody else's business.
const home = mkdtempSync(join(tmpdir(), 'inspector-'))
try {
  for (const { name, start, tool, args, answer } of servers) {
    const { url, stop } = await start()
    try {
      const { tools } = inspect(url, '--method', 'tools/list')
      if (!tools.some(({ name }) => name === tool)) throw new Error(`${name} does not list ${tool}`)
      const pairs = args.flatMap(arg => ['--tool-arg', arg])
      const { content } = inspect(url, '--method', 'tools/call', '--tool-name', tool, ...pairs)
      if (content[0]?.text !== answer) throw new Error(`${name} answered ${JSON.stringify(content)}`)
      console.log(`Inspector CLI, ${name}: lists ${tools.length} tools, ${tool} answers "${answer}"`)
    } finally {
      await stop()
    }
  }
} finally {
  rmSync(home, { recursive: true })
}

function inspect (url, ...args) {
  const run = spawnSync(toolNode, [toolPath('mcp-inspector'), '--cli', url, '--transport', 'http', ...args], {
    env: { ...process.env, HOME: home },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: CALL_LIMIT
  })
  if (run.status !== 0) throw new Error(`inspector ${args.join(' ')} ended with ${run.status ?? run.signal}: ${run.stderr}${run.stdout}`)
  return JSON.parse(run.stdout)
}
