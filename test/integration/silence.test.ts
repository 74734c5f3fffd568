// Two nodes that both beat, and a way between them that drops what is sent.
import t from 'tap'
import { randomUUID } from 'node:crypto'
import { request } from 'undici'
import { startApp } from '../fixtures/app.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, inSession, open } from '../fixtures/http.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { startRelay } from '../fixtures/relay.ts'
import { until } from '../fixtures/until.ts'
import { waitingCall } from '../fixtures/waiting-call.ts'

t.test('a call to an owner that beats ends when its way is cut; the session stays, and is served when it is mended', async t => {
  const redis = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  let port = 0
  const relay = await startRelay(t, () => port)
  const start = (id: string, url: string) => startApp(t, {
    redis: connect(t, redis), keyPrefix, orphan: 'adopt', node: { id, url, heartbeat: 200 }, drain: { grace: 0, timeout: 0 }
  })
  // By a name, so that it listens elsewhere than at its url.
  const owner = await start('owner', relay.url.replace('127.0.0.1', 'localhost'))
  port = Number(new URL(owner.url).port)
  const node = await start('node', `http://127.0.0.1:${await freePort()}`)
  await until('the nodes know of each other', async () => (await node.app.mcpSessions.nodes()).length === 2)
  const id = await open(owner.url)
  t.match((await inSession(node.url, id, call('count'))).body, { result: { content: [{ text: '1' }] } })

  const stream = await request(node.url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  const { answer: lost } = await waitingCall(node.url, id)
  relay.silence()
  t.equal((await lost).body.error.data.reason, 'owner_lost')
  await stream.body.dump()
  t.equal((await inSession(node.url, id, call('count', {}, 3))).body.error.data.reason, 'owner_unreachable')
  t.match((await inSession(owner.url, id, call('count', {}, 3))).body, { result: { content: [{ text: '2' }] } }, 'it is where it was')
  t.equal(node.app.mcpSessions.counters.adopted, 0)

  relay.mend()
  await until('the way leads there again', async () => (await inSession(node.url, id, call('count', {}, 3))).body.result !== undefined)
  t.equal(node.app.mcpSessions.counters.adopted, 0)
})
