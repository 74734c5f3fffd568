// The everything-server on three nodes: `cluster.ts <SDK line> <answer mode> <each | shared> [traefik | nginx]`.
// Behind Traefik the session id says where a request belongs; behind nginx nothing does, and requests go round-robin.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dynamicConfiguration } from '../../lib/traefik/dynamic-configuration.ts'
import { startServer } from '../../scripts/server-process.mjs'
import { freePort } from '../fixtures/free-port.ts'
import { startRedis } from '../fixtures/redis.ts'
import { launch } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'
import { startNginx } from '../proxies/start.ts'

const [line, mode, servers, proxy = 'traefik'] = process.argv.slice(2) as [string, string, string, string?]
const server = fileURLToPath(new URL('./server.ts', import.meta.url))
const stops: Array<() => unknown> = []
const owner = { teardown: (stop: () => unknown) => { stops.unshift(stop) } }

interface Node { url: string }

async function startNodes (): Promise<Node[]> {
  const redis = await startRedis(owner)
  return Promise.all(Array.from({ length: 3 }, async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    const { stop } = await startServer(process.execPath, [server, line, mode, servers, url, redis.url])
    owner.teardown(stop)
    return { url }
  }))
}

async function startTraefik (nodes: Node[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-sticky-conformance-'))
  owner.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'mcp.yml')
  await writeFile(file, JSON.stringify(dynamicConfiguration(nodes)))
  const [web, internal] = [await freePort(), await freePort()]
  const { errors } = await launch(owner, [
    '--log.format=json', '--global.checkNewVersion=false', '--global.sendAnonymousUsage=false', '--ping=true',
    `--entryPoints.traefik.address=127.0.0.1:${internal}`, `--entryPoints.web.address=127.0.0.1:${web}`, `--providers.file.filename=${file}`
  ], `http://127.0.0.1:${internal}/ping`)
  const url = `http://127.0.0.1:${web}/mcp`
  await until('Traefik routes', async () => {
    if (errors().length > 0) throw new Error(errors().join('\n'))
    return (await fetch(url, { method: 'PUT' })).status === 405
  })
  return url
}

/** As plain as a balancer can be: the next request goes to the next node. */
async function startRoundRobin (nodes: Node[]): Promise<string> {
  const url = await startNginx(owner, port => `worker_processes 1;
events {}
http {
  access_log off;
  upstream nodes { ${nodes.map(({ url }) => `server ${new URL(url).host};`).join(' ')} keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://nodes;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection '';
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
`, '/mcp-sticky/ready')
  return `${url}/mcp`
}

async function start (): Promise<string> {
  const nodes = await startNodes()
  return proxy === 'nginx' ? startRoundRobin(nodes) : startTraefik(nodes)
}

async function stop (): Promise<void> {
  for (const stop of stops) await stop()
}

function failed (error: unknown): void {
  console.error(error)
  process.exitCode = 1
}

process.once('SIGTERM', () => { stop().catch(failed) })
try {
  console.log(await start())
} catch (error) {
  failed(error)
  await stop()
}
