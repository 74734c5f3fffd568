import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import mcpSticky from '../../lib/index.ts'
import { dynamicConfiguration, mcpStickyTraefikFile } from '../../lib/traefik/index.ts'
import type { TraefikFileOptions } from '../../lib/traefik/index.ts'
import { open } from '../fixtures/http.ts'
import { startRedis } from '../fixtures/redis.ts'
import { startTraefik } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'
import { shared, startNode } from './node.ts'

const publishes = (file: string, options: Partial<TraefikFileOptions> = {}) => (app: FastifyInstance) => app.register(mcpStickyTraefikFile, { file, interval: 20, ...options })

async function folderOf (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-sticky-file-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

t.test('the file follows the nodes, and changes only with them', async t => {
  const redis = await startRedis(t)
  const options = shared(t, redis, `test:${randomUUID()}:`)
  const folder = await folderOf(t)
  const file = join(folder, 'mcp.yml')
  const one = await startNode(t, options(), publishes(file, { mcpPath: '/tools' }))
  t.strictSame(parse(await readFile(file, 'utf8')), dynamicConfiguration([one], { mcpPath: '/tools' }), 'it is there when the node is')

  const { ino } = await stat(file)
  const two = await startNode(t, options())
  await until('it has the node that came', async () => (await readFile(file, 'utf8')).includes(two.url))
  const next = await stat(file)
  t.not(next.ino, ino, 'another file took its place')
  await open(`${two.url}/mcp`)
  await until('a beat told of the session', async () => (await one.nodes()).some(({ sessions }) => sessions === 1))
  await redis.kill()
  await until('the registry cannot be read', () => one.log.some(({ msg }) => msg.startsWith('the node registry cannot be read')))
  t.equal((await stat(file)).ino, next.ino, 'neither a session nor trouble with Redis touches it')

  await redis.start()
  await two.app.close()
  await until('the node that left is gone', async () => !(await readFile(file, 'utf8')).includes(two.url))
  await one.app.close()
  t.strictSame(await readdir(folder), ['mcp.yml'], 'it stays, and nothing beside it')
})

t.test('a file of an earlier life is left alone when it is right', async t => {
  const folder = await folderOf(t)
  const file = join(folder, 'mcp.yml')
  const one = await startNode(t, {}, publishes(file))
  await one.app.close()
  const { ino } = await stat(file)
  const { port } = new URL(one.url)
  const again = Fastify()
  t.teardown(() => again.close())
  await again.register(mcpSticky, { createServer: () => { throw new Error('unused') }, node: { url: one.url } })
  await publishes(file)(again)
  await again.listen({ host: '127.0.0.1', port: Number(port) })
  t.equal((await stat(file)).ino, ino)
})

t.test('a file that cannot be written', async t => {
  await t.rejects(startNode(t, {}, publishes(join(await folderOf(t), 'none', 'mcp.yml'))), { code: 'ENOENT' }, 'from the start: the node does not start')

  const redis = await startRedis(t)
  const options = shared(t, redis, `test:${randomUUID()}:`)
  const folder = join(await folderOf(t), 'dynamic')
  const [file, away] = [join(folder, 'mcp.yml'), `${folder}-away`]
  await mkdir(folder)
  const one = await startNode(t, options(), publishes(file))
  await rename(folder, away)
  const two = await startNode(t, options())
  const complaints = () => one.log.filter(({ msg }) => msg === 'the configuration for Traefik cannot be written').length
  await until('it is in the log', () => complaints() > 0)
  await rename(away, folder)
  await until('it is written once it can be', async () => (await readFile(file, 'utf8')).includes(two.url))
  t.equal(complaints(), 1, 'said once')
})

t.test('Traefik follows the file', async t => {
  const redis = await startRedis(t)
  const options = shared(t, redis, `test:${randomUUID()}:`)
  const traefik = await startTraefik(t)
  const one = await startNode(t, options(), publishes(join(traefik.folder, 'mcp.yml')))
  const servers = async () => (await traefik.api('/api/http/services')).find(({ name }: { name: string }) => name === 'mcp-pool@file')?.loadBalancer.servers.length
  await until('one node is in the pool', async () => await servers() === 1)
  t.match(await open(`${traefik.url}/mcp`), new RegExp(`^${one.tag}\\.`))
  await startNode(t, options())
  await until('two nodes are in the pool', async () => await servers() === 2)
  t.strictSame(traefik.errors(), [])
})

t.test('options', async t => {
  for (const file of [undefined, '', 'mcp.json', '.yml', '/etc/.yaml', 7]) {
    await t.rejects(startNode(t, {}, publishes(file as string)), { code: 'MCP_STICKY_ERR_OPTION', message: 'option `file` ' }, `file ${file}`)
  }
  for (const interval of [0, -1, 1.5, Infinity]) {
    await t.rejects(startNode(t, {}, publishes('mcp.yml', { interval })), { code: 'MCP_STICKY_ERR_OPTION', message: 'option `interval` ' }, `interval ${interval}`)
  }
  await t.rejects(startNode(t, {}, publishes('mcp.yml', { entryPoints: [] })), { code: 'MCP_STICKY_ERR_OPTION', message: 'option `entryPoints` ' })
})
