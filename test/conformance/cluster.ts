// The everything-server on three nodes behind a real Traefik: `cluster.ts <SDK line> <answer mode>`.
// Clients keep no cookies, so only the session id says where a request belongs.
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

const [line, mode] = process.argv.slice(2) as [string, string]
const server = fileURLToPath(new URL('./server.ts', import.meta.url))
const stops: Array<() => unknown> = []
const owner = { teardown: (stop: () => unknown) => { stops.unshift(stop) } }

async function start (): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-sticky-conformance-'))
  owner.teardown(() => rm(folder, { recursive: true }))
  const redis = await startRedis(owner)
  const nodes = await Promise.all(Array.from({ length: 3 }, async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    const { stop } = await startServer(process.execPath, [server, line, mode, url, redis.url])
    owner.teardown(stop)
    return { url }
  }))
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

async function stop (): Promise<void> {
  for (const stop of stops) await stop()
}

process.once('SIGTERM', stop)
try {
  console.log(await start())
} catch (error) {
  console.error(error)
  process.exitCode = 1
  await stop()
}
