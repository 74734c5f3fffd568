// Lets clients that nobody here wrote list and call: the MCP Inspector's CLI
// against the quickstart and both everything-servers, and those of era-clients.mjs
// against the quickstart, which serves both eras on one url.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
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
    start: () => startServer(toolNode, [path('../test/conformance/server.ts'), line, 'auto', 'each']),
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
  // After the tools are there.
  const { CALLS, eraClients } = await import('./era-clients.mjs')
  const { url, stop } = await servers[0].start()
  try {
    for (const line of shownIn('../README.md', url)) {
      const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8', env: { ...process.env, HOME: home }, timeout: CALL_LIMIT })
      if (status !== 0 || !stdout.includes('1. buy milk')) throw new Error(`${line} ended with ${status}: ${stderr}${stdout}`)
      console.log(`The README's line for a client ${line.startsWith('curl') ? 'without a session' : 'with a session'}: answers`)
    }
    for (const [name, era, use] of eraClients) {
      const call = CALLS[era]
      const { tools, text } = await use(url, call, home)
      if (!tools.includes(call.name)) throw new Error(`${name} does not speak of ${call.name}, as a client of ${era} does: ${tools.join(', ')}`)
      if (!text.endsWith('1. buy milk')) throw new Error(`${name} was answered ${text}`)
      console.log(`${name}: ${era === 'sessions' ? 'a session' : '2026-07-28'}, ${call.name} answers`)
    }
  } finally {
    await stop()
  }
} finally {
  rmSync(home, { recursive: true })
}

/** The commands of a document that ask the quickstart, with the inspector that is installed here. */
function shownIn (document, url) {
  return [...readFileSync(new URL(document, import.meta.url), 'utf8').matchAll(/^```sh\n([^]*?)\n```$/gm)]
    .map(([, block]) => block)
    .filter(block => block.includes('http://127.0.0.1:3000/mcp'))
    .map(block => block.replaceAll('http://127.0.0.1:3000/mcp', url).replace('npx @modelcontextprotocol/inspector', `${toolNode} ${toolPath('mcp-inspector')}`))
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
