// What a node does with the sessions of newer versions: forward, or leave alone.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { FORMAT, OLDEST_READER } from '../../lib/format.ts'
import { nodeTag } from '../../lib/session-id.ts'
import { startApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import type { Answer } from '../fixtures/http.ts'
import { takePlace } from '../fixtures/members.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { until } from '../fixtures/until.ts'

const server = await startRedis(t)
const redis = connect(t, server)

t.test('an orphan for newer nodes is left alone, passed on to one of those, and adopted once it is for us', async t => {
  const keyPrefix = `test:${randomUUID()}:`
  const start = async (id: string) => startApp(t, {
    redis: connect(t, server), keyPrefix, orphan: 'adopt', drain: { grace: 0 }, node: { id, url: `http://127.0.0.1:${await freePort()}`, heartbeat: 500 }
  }, { fastify: { return503OnClosing: false } })
  const [a, b] = [await start('a'), await start('b')]
  const id = await open(a.url)
  await a.app.close()
  const key = `${keyPrefix}session:${id}`
  t.match(await redis.hgetall(key), { node: 'a', released: '1', owner: new RegExp(` ${FORMAT} [01]$`), reader: String(OLDEST_READER) })
  await redis.hset(key, 'reader', String(FORMAT + 1), 'initialize', 'in a way of its own')
  const before = await redis.hgetall(key)

  const refused = { status: 503, headers: { 'retry-after': '2' }, body: { error: { data: { reason: 'newer_format' } } } }
  // A busy machine has a node doubt what it knows, for a while.
  const settled = async (method: 'POST' | 'DELETE', reason?: string): Promise<Answer> => until('it can say', async () => {
    const answer = await send(b.url, { method, headers: { 'mcp-session-id': id }, ...method === 'POST' && { body: call('count') } })
    return (answer.status === 503 ? answer.body.error.data.reason === reason : true) ? answer : undefined
  })
  t.match(await settled('POST', 'newer_format'), refused)
  t.match(await send(b.url, { method: 'GET', headers: { 'mcp-session-id': id } }), { status: 503 })
  t.match(await inSession(b.url, id, call('count'), { 'mcp-sticky-hop': a.app.mcpSessions.node.tag }), { status: 421 })
  t.match(await send(b.url, { method: 'DELETE', headers: { 'mcp-session-id': id } }), { status: 503, body: { error: { data: { reason: 'directory_unavailable' } } } })
  await t.rejects(b.app.mcpSessions.close(id), { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE' })
  t.strictSame(await redis.hgetall(key), before, 'the record is as it was')

  // A newer node as the registry knows it.
  const got: Array<Pick<IncomingMessage, 'method' | 'headers'>> = []
  const newer = createServer(({ method, headers }, response) => {
    got.push({ method, headers })
    response.setHeader('content-type', 'application/json')
    response.end('{"newer":true}')
  }).listen(0, '127.0.0.1')
  await once(newer, 'listening')
  t.teardown(() => newer.close())
  const url = `http://127.0.0.1:${(newer.address() as AddressInfo).port}`
  await takePlace(redis, keyPrefix, 'newer', { url, tag: nodeTag({ id: 'newer', url }), epoch: 'n.0', state: 'up', heartbeat: 100, format: FORMAT + 1 })
  await until('it is known', async () => (await b.app.mcpSessions.nodes()).some(({ id }) => id === 'newer'))
  t.match(await settled('POST'), { status: 200, body: { newer: true } })
  t.match(await settled('DELETE'), { status: 200, body: { newer: true } })
  t.match(got.filter(({ headers }) => headers['mcp-session-id'] === id), [{ method: 'POST', headers: { 'mcp-sticky-hop': b.app.mcpSessions.node.tag } }, { method: 'DELETE' }])
  t.strictSame(await redis.hgetall(key), before, 'the record is as it was')
  t.match(b.log.filter(({ msg }) => msg.startsWith('a node of another version')), [{ node: 'newer', theirs: FORMAT + 1, ours: FORMAT }], 'and it is said once')

  await redis.hset(key, 'reader', String(FORMAT), 'initialize', '{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}')
  t.match(await settled('POST'), { status: 200, body: { result: { content: [{ text: '1' }] } } })
  t.match(await redis.hgetall(key), { node: 'b', reader: String(OLDEST_READER) })
})
