// Nodes with https, and certificates that nobody trusts by itself.
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { dynamicConfiguration } from '../../lib/traefik/index.ts'
import type { TraefikOptions } from '../../lib/traefik/index.ts'
import { nodeTag } from '../../lib/session-id.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open } from '../fixtures/http.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import { startRedis } from '../fixtures/redis.ts'
import { certificate, startTraefik } from '../fixtures/traefik.ts'
import type { StartedTraefik } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'

const folder = await mkdtemp(join(tmpdir(), 'mcp-sticky-nodes-'))
t.teardown(() => rm(folder, { recursive: true }))
const { cert, ...https } = await certificate(folder)
const redis = await startRedis(t)
const keyPrefix = `test:${randomUUID()}:`
const nodes = await Promise.all(['a', 'b'].map(async id => {
  const url = `https://127.0.0.1:${await freePort()}`
  await startNodeProcess(t, { redis: redis.url, keyPrefix, https, node: { id, url, heartbeat: 500 } })
  return { url, tag: nodeTag({ id, url }) }
}))

async function start (options: TraefikOptions): Promise<StartedTraefik> {
  return startTraefik(t, { files: { 'mcp.yml': dynamicConfiguration(nodes, options) } })
}

/** What Traefik's health checks say of the pool's nodes, once they have said it of all. */
async function health ({ api }: StartedTraefik, expected: string): Promise<void> {
  await until(`every node is ${expected}`, async () => {
    const services = await api('/api/http/services') as Array<{ name: string, serverStatus?: Record<string, string> }>
    const pool = services.find(({ name }) => name === 'mcp-pool@file')?.serverStatus ?? {}
    return nodes.every(({ url }) => pool[url] === expected)
  })
}

const ways: Record<string, TraefikOptions> = {
  'rootCAs as a file': { serversTransport: { rootCAs: [https.certFile] } },
  'rootCAs as text, and another name': { serversTransport: { rootCAs: [cert], serverName: 'localhost' } },
  insecureSkipVerify: { serversTransport: { insecureSkipVerify: true } }
}

for (const [name, options] of Object.entries(ways)) {
  t.test(name, async t => {
    const traefik = await start(options)
    await health(traefik, 'UP')
    for (const { tag } of nodes) {
      let id = ''
      await until('there is a session on this node', async () => { id = await open(`${traefik.url}/mcp`); return id.startsWith(tag) })
      t.match(await inSession(`${traefik.url}/mcp`, id, call('count')), { status: 200, body: { result: { content: [{ text: '1' }] } } })
    }
    t.strictSame(traefik.errors(), [])
  })
}

t.test('without it, or for another name, Traefik takes them for dead', async t => {
  for (const options of [{}, { serversTransport: { rootCAs: [cert], serverName: 'nodes.internal' } }]) {
    await health(await start(options), 'DOWN')
  }
  t.pass()
})
