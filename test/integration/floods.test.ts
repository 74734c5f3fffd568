// Ids that somebody makes up, over sockets, beside clients whose sessions have lost their node.
import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { Pool } from 'undici'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open } from '../fixtures/http.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { createServer } from '../fixtures/session-server.ts'
import { until } from '../fixtures/until.ts'

const SESSIONS = 20
/** Made-up ids that are asked for before the first session is, at once, and before each of the others. */
const [BEFORE, AT_ONCE, BETWEEN] = [4000, 100, 50]

t.test('a flood of ids with a dead node\'s tag keeps nobody from being adopted', async t => {
  const redis = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  const start = async (id: string): Promise<StartedApp> => startApp(t, {
    redis: connect(t, redis), keyPrefix, createServer, orphan: 'adopt', node: { id, url: `http://127.0.0.1:${await freePort()}` }
  }, { fastify: { logger: false } })
  const [a, b] = [await start('a'), await start('b')]
  const ids = await Promise.all(Array.from({ length: SESSIONS }, () => open(a.url)))
  const { tag } = a.app.mcpSessions.node
  await a.app.close()

  const pool = new Pool(new URL(b.url).origin, { connections: AT_ONCE })
  t.teardown(() => pool.destroy())
  const answers: Record<number, number> = {}
  const flood = { on: true, answered: 0 }
  const flooding = Array.from({ length: AT_ONCE }, async () => {
    while (flood.on) {
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: '/mcp',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-session-id': `${tag}.${randomBytes(16).toString('base64url')}` },
        body: JSON.stringify(call('count'))
      })
      await body.dump()
      answers[statusCode] = (answers[statusCode] ?? 0) + 1
      flood.answered++
    }
  })
  await until('there is a flood', () => flood.answered > BEFORE)
  const failed: unknown[] = []
  for (const id of ids) {
    const before = flood.answered
    const answer = await inSession(b.url, id, call('count'))
    if (answer.status !== 200) failed.push([answer.status, answer.text])
    await until('the flood goes on', () => flood.answered > before + BETWEEN)
  }
  flood.on = false
  await Promise.all(flooding)
  t.strictSame(failed, [])
  // A machine that is busy with other things may let a command to Redis take too long.
  t.ok(answers[404]! > 0.95 * flood.answered, `of ${flood.answered} made-up ids: ${JSON.stringify(answers)}`)
  t.equal(b.app.mcpSessions.counters.adopted, SESSIONS)
})
