// Nodes of before there were names beside one with a second endpoint: to them its sessions are nobody's.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { newSessionId } from '../../lib/session-id.ts'
import { startApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open, send } from '../fixtures/http.ts'
import type { Answer } from '../fixtures/http.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import { FORMAT_0, FORMAT_1, packageOf } from '../fixtures/packages.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { createServer } from '../fixtures/session-server.ts'
import { until } from '../fixtures/until.ts'

const server = await startRedis(t)
const redis = connect(t, server)

/** An answer once it is none of a node that cannot say. */
async function settled (ask: () => Promise<Answer>): Promise<Answer> {
  return until('it can say', async () => {
    const answer = await ask()
    return answer.status === 503 ? undefined : answer
  })
}

for (const [name, commit] of [['format 0', FORMAT_0], ['format 1', FORMAT_1]] as const) {
  t.test(`a node of ${name} neither serves, adopts nor ends a session of another endpoint`, async t => {
    const keyPrefix = `test:${randomUUID()}:`
    const node = async (id: string) => ({ id, url: `http://127.0.0.1:${await freePort()}`, heartbeat: 500 })
    const older = await startNodeProcess(t, { redis: `redis://127.0.0.1:${server.port}`, keyPrefix, orphan: 'adopt', node: await node('older'), package: await packageOf(commit) })
    const newer = await startApp(t, { redis: connect(t, server), keyPrefix, orphan: 'adopt', drain: { grace: 0 }, node: await node('newer'), also: [{ name: 'admin', path: '/mcp/admin', createServer }] })
    await until('they know of each other', async () => (await newer.app.mcpSessions.nodes().catch(() => [])).length === 2 &&
      (await send(new URL('/nodes', older.url).href, { method: 'GET' })).body?.length === 2)
    const [ofAdmin, ofDefault] = [await open(`${newer.url}/admin`), await open(newer.url)]
    const key = `${keyPrefix}session:${ofAdmin}`
    // What its own node renews, at any time, is not looked at.
    const record = async () => {
      const { epoch, lastSeenAt, ...rest } = await redis.hgetall(key)
      return rest
    }
    const isUnknown = async (when: string): Promise<void> => {
      const before = await record()
      for (const more of [{}, { 'mcp-sticky-hop': newer.app.mcpSessions.node.tag }]) {
        for (const method of ['POST', 'GET', 'DELETE'] as const) {
          const ask = (id: string) => settled(() => send(older.url, { method, headers: { 'mcp-session-id': id, ...more }, ...method === 'POST' && { body: call('stamp', { message: '' }) } }))
          const [theirs, nobodys] = [await ask(ofAdmin), await ask(newSessionId(ofAdmin.slice(0, 16)))]
          t.strictSame([theirs.status, theirs.text], [nobodys.status, nobodys.text], `${when}: ${method} ${JSON.stringify(more)}`)
        }
      }
      t.strictSame(await record(), before, `${when}: the record is as it was`)
    }
    await isUnknown('its node lives')
    t.match(await settled(() => inSession(older.url, ofDefault, call('count'))), { status: 200 }, 'one of the default endpoint is passed on')
    await newer.app.close()
    await isUnknown('its node is gone')
    t.match(await redis.hgetall(key), { node: 'newer', released: '1', principal: '["admin"]' })
    t.match(await settled(() => inSession(older.url, ofDefault, call('stamp', { message: '' }))), { status: 200 }, 'one of the default endpoint is adopted')
  })
}
