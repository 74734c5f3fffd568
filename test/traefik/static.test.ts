import { readFile, writeFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { Agent, request } from 'undici'
import { parse } from 'yaml'
import { mcpStickyTraefik } from '../../lib/traefik/index.ts'
import { freePort } from '../fixtures/free-port.ts'
import { initialize } from '../fixtures/http.ts'
import { launch } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'
import { startNode } from './node.ts'

const text = await readFile(new URL('../../traefik.yml', import.meta.url), 'utf8')

t.test('Traefik runs with traefik.yml as it is, but for the ports', async t => {
  const { providers } = parse(text)
  const token = providers.http.headers.Authorization.replace('Bearer ', '')
  const node = await startNode(t, {}, app => app.register(mcpStickyTraefik, { token }))
  const [secure, internal] = [await freePort(), await freePort()]
  const folder = await mkdtemp(join(tmpdir(), 'mcp-sticky-static-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const replaced = [['":443"', `"127.0.0.1:${secure}"`], ['127.0.0.1:8080', `127.0.0.1:${internal}`], ['http://127.0.0.1:3000', node.url]]
    .reduce((text, [from, to]) => {
      t.equal(text.split(from!).length, 2, `${from} is there once`)
      return text.replace(from!, to!)
    }, text)
  await writeFile(join(folder, 'traefik.yml'), replaced)

  const traefik = await launch(t, [`--configFile=${join(folder, 'traefik.yml')}`], `http://127.0.0.1:${internal}/ping`)
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
  t.teardown(() => dispatcher.close())
  const open = () => request(`https://127.0.0.1:${secure}/mcp`, {
    method: 'POST',
    dispatcher,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify(initialize)
  })
  const { headers } = await until('it has the routes', async () => {
    const { statusCode, headers, body } = await open()
    await body.dump()
    return statusCode === 200 ? { headers } : undefined
  })
  t.equal(headers['set-cookie'], `_mcp_backend=${node.tag}; Path=/mcp; HttpOnly; Secure; SameSite=Strict`)
  const metrics = await (await request(`http://127.0.0.1:${internal}/metrics`)).body.text()
  t.match(metrics, /traefik_service_requests_total\{.*service="mcp-pool@http"/)
  t.strictSame(traefik.errors(), [])
})

t.test('what it promises', async t => {
  const { entryPoints: { websecure, traefik }, serversTransport, global, ping, api } = parse(text)
  t.equal(websecure.transport.respondingTimeouts.writeTimeout, '0s', 'streams may last')
  const idle = parseInt(serversTransport.forwardingTimeouts.idleConnTimeout) * 1000
  t.ok(idle < Fastify().initialConfig.keepAliveTimeout!, 'Traefik lets go of an idle connection before a node does')
  t.strictSame(global, { checkNewVersion: false, sendAnonymousUsage: false })
  t.strictSame(ping, {})
  t.match(traefik.address, /^127\.0\.0\.1:/, 'what is not for clients listens on loopback')
  t.equal(api, undefined)
})
