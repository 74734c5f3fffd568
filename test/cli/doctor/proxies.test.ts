// Real proxies: as docs/proxies has them all is well, and as they come by themselves the check says what is not.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { mcpStickyTraefik } from '../../../lib/traefik/index.ts'
import { startCluster } from '../../fixtures/cluster.ts'
import { startRedis } from '../../fixtures/redis.ts'
import { startTraefik } from '../../fixtures/traefik.ts'
import { until } from '../../fixtures/until.ts'
import { documentedNginx, startHaproxy, startNginx } from '../../proxies/start.ts'
import { examined, HEARTBEAT, having } from './setup.ts'
import type { Row } from './setup.ts'

const TOKEN = 'a-token-of-this-test'
const cli = join(import.meta.dirname, '../../../lib/cli/cli.ts')
const redis = await startRedis(t)
const nodes = (await startCluster(t, redis, ['a', 'b', 'c'], { node: { heartbeat: HEARTBEAT }, stream: { keepAlive: 100 } }, {
  after: async app => {
    app.get('/', async () => 'here')
    await app.register(mcpStickyTraefik, { token: TOKEN, tls: true })
  }
})).map(({ url }) => ({ url: new URL(url).origin }))

/** As docs/proxies has it, with a change. */
function nginx (t: Test, change: (configuration: string) => string = text => text): Promise<string> {
  return startNginx(t, port => change(documentedNginx(nodes)(port)))
}

async function finds (t: Test, origin: string, checks: string[]): Promise<void> {
  const found = await examined([`${origin}/mcp`, '--patience', '2s'])
  t.strictSame(having('failed', found), checks, found.out)
}

const promised = promisify(execFile)

t.test('Traefik with the nodes\' own document, over TLS, by the command itself', async t => {
  const traefik = await startTraefik(t, { poll: { url: `${nodes[0]!.url}/mcp-sticky/traefik`, token: TOKEN }, secure: true })
  await until('it has all nodes', async () => {
    const services = await traefik.api('/api/http/services') as Array<{ name: string, serverStatus?: Record<string, string> }>
    const status = services.find(({ name }) => name === 'mcp-pool@http')?.serverStatus ?? {}
    return nodes.every(({ url }) => status[url] === 'UP')
  })
  const found = await promised(process.execPath, [...process.execArgv, cli, 'doctor', `${traefik.secureUrl}/mcp`, '--patience', '2s', '--json'], { env: { ...process.env, NODE_EXTRA_CA_CERTS: join(traefik.folder, 'cert.pem') } })
    .catch((error: unknown) => error as { stdout: string, code: number })
  const rows = JSON.parse(found.stdout) as Row[]
  t.strictSame(rows.filter(({ verdict }) => verdict === 'failed').map(({ check, saw }) => [check, saw]), [])
  t.match(rows.find(({ check }) => check === 'tls'), { verdict: 'ok', saw: /^TLSv1\.\d, the certificate is good for \d+ more days$/ })
  t.match(rows.find(({ check }) => check === 'pings-with-cookies'), { verdict: 'ok', saw: /_mcp_backend$/ })
})

t.test('nginx as documented', async t => finds(t, await nginx(t), []))
t.test('HAProxy as documented', async t => finds(t, await startHaproxy(t, nodes), []))

// It speaks HTTP/1.0 to servers unless it is told otherwise, and holds what has no chunks until it has 4 KiB of it.
t.test('nginx that buffers', async t => finds(t, await nginx(t, text => text.replace('proxy_http_version 1.1;', '').replace('proxy_buffering off;', 'proxy_ignore_headers X-Accel-Buffering;')), ['events']))
t.test('nginx with its own limit of bodies', async t => finds(t, await nginx(t, text => text.replace('client_max_body_size 5m;', '')), ['body-4m']))
t.test('nginx with pages of its own', async t => finds(t, await nginx(t, text => text.replace('proxy_buffering off;', 'proxy_buffering off; proxy_intercept_errors on; error_page 404 /none;').replace('location / {', 'location = /none { internal; return 404; }\n    location / {')), ['stale-ids']))
t.test('nginx that keeps the internal paths open', async t => finds(t, await nginx(t, text => text.replace(/location \^~ \/mcp-sticky\/ \{[^}]*\}/, '')), ['internal-paths']))
t.test('nginx that takes no DELETE', async t => finds(t, await nginx(t, text => text.replace('proxy_buffering off;', 'proxy_buffering off; limit_except GET POST { deny all; }')), ['delete']))
