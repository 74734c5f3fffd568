// Clients that nobody here wrote, as they are when nobody tells them more than
// the url of a server: which revision each speaks with a server of both eras.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as StreamableHTTPClientTransport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { toolNode, toolPath } from './tools.mjs'

const GO_CLIENT = fileURLToPath(new URL('../tools/go-client/', import.meta.url))
const GO_LIMIT = 240_000
const tools = createRequire(new URL('../tools/conformance/package.json', import.meta.url))
const own = createRequire(import.meta.url)
const info = { name: 'clients', version: '1.0.0' }
const pinned = { pin: '2026-07-28' }

/** What a client is to call in each era, and what the answer ends with. */
export const CALLS = {
  sessions: { name: 'remember', arguments: { note: 'buy milk' } },
  stateless: { name: 'note', arguments: { note: 'buy milk' } }
}

/** Each: its name with the version, the era that it is expected to speak, and how it lists and calls. `home`: a folder for what it keeps. */
export const eraClients = [
  [`SDK ${version('@modelcontextprotocol/sdk', own)}`, 'sessions', (url, call) => use(new Client1(info), new StreamableHTTPClientTransport1(new URL(url)), call)],
  [`SDK ${version('@modelcontextprotocol/client', own)}`, 'sessions', (url, call) => useHttp(url, {}, call)],
  ['… automatic', 'stateless', (url, call) => useHttp(url, { versionNegotiation: { mode: 'auto' } }, call)],
  ['… pinned to 2026-07-28', 'stateless', (url, call) => useHttp(url, { versionNegotiation: { mode: pinned } }, call)],
  [`@ai-sdk/mcp ${version('@ai-sdk/mcp', tools)}`, 'stateless', useAiSdk],
  [`mcp-remote ${version('mcp-remote', tools)}, for a client of sessions`, 'sessions', (url, call, home) => useRemote(url, 'legacy', call, home)],
  ['… for an automatic one', 'stateless', (url, call, home) => useRemote(url, 'auto', call, home)],
  ['Go SDK 1.8.0', 'stateless', useGo]
]

function useHttp (url, options, call) {
  return use(new Client(info, options), new StreamableHTTPClientTransport(new URL(url)), call)
}

/** mcp-remote is a program between a client that starts it and a server elsewhere. */
function useRemote (url, mode, call, home) {
  const transport = new StdioClientTransport({
    command: toolNode,
    args: [toolPath('mcp-remote'), url, '--transport', 'http-only'],
    env: { ...process.env, HOME: home },
    stderr: 'ignore'
  })
  return use(new Client(info, { versionNegotiation: { mode } }), transport, call)
}

async function use (client, transport, call) {
  await client.connect(transport)
  try {
    const { tools } = await client.listTools()
    const { content } = await client.callTool(call)
    return { tools: tools.map(({ name }) => name), text: content[0].text }
  } finally {
    await client.close()
  }
}

async function useAiSdk (url, call) {
  const { createMCPClient } = await import(pathToFileURL(tools.resolve('@ai-sdk/mcp')))
  const client = await createMCPClient({ transport: { type: 'http', url } })
  try {
    const tools = await client.tools()
    const { content } = await tools[call.name].execute(call.arguments, { messages: [], toolCallId: 'one' })
    return { tools: Object.keys(tools), text: content[0].text }
  } finally {
    await client.close()
  }
}

function useGo (url, call) {
  const run = spawnSync('go', ['run', '.', url, call.name, JSON.stringify(call.arguments)], { cwd: GO_CLIENT, encoding: 'utf8', timeout: GO_LIMIT })
  if (run.error?.code === 'ENOENT') throw new Error('there is no go on PATH: install Go 1.25 or newer')
  if (run.status !== 0) throw new Error(`the Go client ended with ${run.status ?? run.signal}: ${run.stderr}`)
  return JSON.parse(run.stdout)
}

/** What is installed of a package; not all let their package.json be resolved. */
function version (name, from) {
  const [, folder] = new RegExp(`^(.*/node_modules/${name}/)`).exec(pathOf(name, from)) ?? []
  return from(`${folder}package.json`).version
}

function pathOf (name, from) {
  for (const entry of [name, `${name}/package.json`]) {
    try {
      return from.resolve(entry)
    } catch {}
  }
  throw new Error(`${name} is not installed`)
}
