// `npm run cluster`: Redis, three nodes of app.ts and Traefik with TLS, on this
// machine, until Ctrl-C. PORT is Traefik's (8443; 0 takes any that is free).
import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startChild } from './child.ts'
import type { Child } from './child.ts'
import { freePort } from './free-port.ts'
import { untilGuarded } from './guarded.ts'
import { whatToTry, whoIsWho } from './words.ts'
import { writeTraefikFiles } from './traefik.ts'

const port = Number(process.env['PORT'] ?? 8443) || await freePort()
const folder = await mkdtemp(join(tmpdir(), 'mcp-sticky-cluster-'))
const members: Array<{ name: string, url: string, tag?: string, child: Child }> = []
const stopping = new AbortController()

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Asked twice, nobody is waited for.
    if (stopping.signal.aborted) for (const { child } of members) child.kill()
    stopping.abort()
  })
}
const asked = new Promise<void>(resolve => stopping.signal.addEventListener('abort', () => resolve()))

const starting = start()
try {
  await Promise.race([starting, asked])
  await asked
} catch (error) {
  console.error(`\n${(error as Error).message}`)
  process.exitCode = 1
} finally {
  stopping.abort()
  await stop()
}

async function start (): Promise<void> {
  const token = randomUUID()
  const redis = await startRedis()
  const nodes = await Promise.all(['node-1', 'node-2', 'node-3'].map(name => startNode(name, redis, token)))
  const { certificate, url } = await startTraefik(nodes, token)
  console.log(whoIsWho(members, folder))
  console.log(whatToTry(url, certificate, members))
}

async function startRedis (): Promise<string> {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  await startMember({ name: 'redis', url }, {
    command: process.env['REDIS_SERVER_BIN'] ?? 'redis-server',
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'],
    isReady: /Ready to accept connections/,
    show: () => {}
  })
  return url
}

async function startNode (name: string, redis: string, token: string): Promise<string> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const tag = createHash('sha256').update(url).digest('hex').slice(0, 16)
  await startMember({ name, url, tag }, {
    command: process.execPath,
    args: [fileURLToPath(new URL('./app.js', import.meta.url))],
    env: { NODE_ID: name, NODE_URL: url, HOST: '127.0.0.1', PORT: String(port), REDIS_URL: redis, TRAEFIK_TOKEN: token },
    isReady: /is ready$/
  })
  return url
}

async function startTraefik (nodes: string[], token: string): Promise<{ url: string, certificate: string }> {
  // The script builds one where there is none, and says so.
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/traefik.mjs'])
  const ports = { websecure: port, internal: await freePort(), traefik: await freePort() }
  const { configuration, certificate } = await writeTraefikFiles({ folder, ports, nodes, token })
  const url = `https://localhost:${port}`
  const ca = await readFile(certificate)
  await startMember({ name: 'traefik', url }, {
    command: stdout.trim(),
    args: [`--configFile=${configuration}`],
    isReady: () => untilGuarded(url, ca, stopping.signal)
  })
  return { url, certificate }
}

/** What a member prints is shown under its name, until the end, which Traefik finds alarming. */
async function startMember (member: { name: string, url: string, tag?: string }, how: Omit<Parameters<typeof startChild>[0], 'show'> & { show?: (line: string) => void }): Promise<void> {
  if (stopping.signal.aborted) return
  const child = startChild({ show: line => { if (!stopping.signal.aborted) console.log(`${member.name.padEnd(8)} ${line}`) }, ...how })
  members.push({ ...member, child })
  await child.ready
}

/** Nodes first: they need the proxy to leave its pool, and Redis to leave nothing in it. */
async function stop (): Promise<void> {
  console.log('\nStopping: the nodes leave the pool, finish their calls, and go.')
  await Promise.all(members.filter(({ tag }) => tag !== undefined).map(({ child }) => child.stop()))
  await Promise.all(members.map(({ child }) => child.stop()))
  await starting.catch(() => {})
  await rm(folder, { recursive: true, force: true })
  console.log('Nothing is left behind.')
}
