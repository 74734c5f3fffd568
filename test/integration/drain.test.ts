// A node that leaves: the pool first, then its calls, then its streams.
import t from 'tap'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { request } from 'undici'
import { startApp } from '../fixtures/app.ts'
import type { StartedApp } from '../fixtures/app.ts'
import { startCluster } from '../fixtures/cluster.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { createServer } from '../fixtures/session-server.ts'
import { until } from '../fixtures/until.ts'
import { waitingCall } from '../fixtures/waiting-call.ts'

const health = async (url: string, question: 'ready' | 'alive'): Promise<number> =>
  (await send(new URL(`/mcp-sticky/${question}`, url).href, { method: 'GET' })).status

t.test('the health paths are there for a proxy', async t => {
  const alone = await startApp(t)
  t.equal(await health(alone.url, 'ready'), 200)
  const node = await startApp(t, { node: { url: `http://127.0.0.1:${await freePort()}` } })
  await until('it has reached itself', async () => await health(node.url, 'ready') === 200)
  t.equal(await health(node.url, 'alive'), 200)
  t.notOk(node.log.some(line => /incoming request/.test(line.msg) && JSON.stringify(line).includes('/mcp-sticky/')), 'and fill no log')
})

t.test('drain: out of the pool at once, new sessions during the grace, none after, calls finish, streams end', async t => {
  const redis = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  const start = (id: string): ReturnType<typeof startApp> => startApp(t, { redis: connect(t, redis), keyPrefix, node: { id, url: `http://${id}.example`, heartbeat: 500 }, drain: { grace: 2000, timeout: 30_000 } })
  const [a, b] = [await start('a'), await start('b')]
  const states = async (): Promise<string> => (await b.app.mcpSessions.nodes()).map(({ id, state }) => `${id} ${state}`).join()
  await until('both nodes are known', async () => await states() === 'a up,b up')

  const { app } = a
  const id = await open(a.url)
  const stream = await request(a.url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  let streamEnded = false
  stream.body.on('end', () => { streamEnded = true }).resume()
  const { answer, release } = await waitingCall(a.url, id)

  const drained = app.mcpSessions.drain()
  t.equal(app.mcpSessions.drain(), drained)
  t.equal(await health(a.url, 'ready'), 503)
  t.equal(await health(a.url, 'alive'), 200)
  t.equal((await send(a.url, { body: initialize })).status, 200, 'the proxy may not have seen it yet')
  await until('the other nodes know', async () => await states() === 'a draining,b up')
  const refused = await until('the grace is over', async () => { const answer = await send(a.url, { body: initialize }); return answer.status === 503 ? answer : undefined })
  t.match(refused.body, { id: 1, error: { data: { reason: 'node_closing' } } })
  t.equal((await inSession(a.url, id, call('count', {}, 'other'))).status, 200, 'sessions are served until the application closes')
  t.notOk(streamEnded)

  release()
  t.equal((await answer).body.result.content[0].text, 'released')
  await drained
  await until('the stream has ended', () => streamEnded)
  await app.close()
  await until('the node is gone', async () => await states() === 'b up')
})

t.test('a node that leaves waits for the calls that it passes on, and ends the streams', async t => {
  const redis = await startRedis(t)
  const [owner, draining, closing] = await startCluster(t, redis, ['owner', 'draining', 'closing'], {
    node: { heartbeat: 500 }, responseMode: 'json', drain: { grace: 0, timeout: 30_000 }
  })
  const id = await open(owner.url)

  // Whatever does not wait for a call has time to show it.
  async function waitsForACall (leaving: StartedApp, what: () => Promise<unknown>): Promise<void> {
    const stream = await request(leaving.url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
    const streamed = stream.body.text()
    const { answer, release } = await waitingCall(leaving.url, id)
    let over = false
    const done = what().then(() => { over = true })
    for (let i = 0; i < 50; i++) await inSession(owner.url, id, call('count'))
    t.notOk(over)
    release()
    t.equal((await answer).body.result.content[0].text, 'released')
    await done
    await leaving.app.close()
    t.equal(await streamed, '', 'ended, not broken off')
  }
  await waitsForACall(draining, () => draining.app.mcpSessions.drain())
  await waitsForACall(closing, () => closing.app.close())
})

t.test('a session that was given up moves to a node that remembers its owner, and has not heard that it leaves', async t => {
  const redis = await startRedis(t)
  // Between two beats others learn nothing.
  const [other, leaving] = await startCluster(t, redis, ['other', 'leaving'], {
    node: { heartbeat: 60_000 }, orphan: 'adopt', drain: { grace: 0, timeout: 30_000 }
  })
  const ids = await Promise.all(Array.from({ length: 5 }, () => open(leaving.url)))
  for (const id of ids) t.match(await inSession(other.url, id, call('count')), { status: 200 }, 'its owner is remembered')
  await leaving.app.mcpSessions.drain()
  for (const [i, id] of ids.entries()) {
    const answer = i < 3 ? await inSession(leaving.url, id, call('count', {}, 'late')) : await send(leaving.url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
    t.equal(answer.status, 200, answer.text)
  }
  t.equal(other.app.mcpSessions.counters.adopted, 3)
  t.equal(other.app.mcpSessions.size, 3)
})

for (const responseMode of ['json', 'sse'] as const) {
  t.test(`a call that is passed on and takes longer than a node has to leave ends with an error, as ${responseMode}`, async t => {
    const redis = await startRedis(t)
    const [owner, leaving] = await startCluster(t, redis, ['owner', 'leaving'], id => ({
      node: { heartbeat: 1000 }, responseMode, drain: { grace: 0, timeout: id === 'leaving' ? 100 : 30_000 }
    }), { fastify: { forceCloseConnections: 'idle', keepAliveTimeout: 100 } })
    const id = await open(owner.url)
    const { answer, release } = await waitingCall(leaving.url, id, 'slow')
    await leaving.app.close()
    t.match((await answer).body, { id: 'slow', error: { data: { reason: 'owner_lost' } } })
    release()
  })
}

t.test('app.close() alone lets calls in flight finish, with everything else of Fastify as it is by default', async t => {
  const redis = await startRedis(t)
  const [leaving, other] = await startCluster(t, redis, ['leaving', 'other'], {
    node: { heartbeat: 1000 }, orphan: 'adopt', responseMode: 'json', drain: { grace: 0, timeout: 60_000 }
  }, { fastify: { forceCloseConnections: false, pluginTimeout: 6000 } })
  const { app, url } = leaving
  const [id, another] = [await open(url), await open(url)]
  const { answer, release } = await waitingCall(url, id)

  const begun = performance.now()
  const closed = app.close()
  await until('the other session is given up', () => app.mcpSessions.size === 1)
  t.equal((await inSession(url, another, call('count'))).body.result.content[0].text, '1', 'it goes on elsewhere, through this node')
  t.equal((await send(url, { body: initialize })).status, 200, 'as new sessions do')
  await until('a preClose hook would have had its time', () => performance.now() - begun > 6500)
  release()
  t.equal((await answer).body.result.content[0].text, 'released')
  await closed
  t.equal(app.mcpSessions.counters.ended.handed_over, 2)
  t.equal(other.app.mcpSessions.size, 2)
})

t.test('a drain waits for a server that is still being made', async t => {
  let make = (): void => {}
  const { app, url } = await startApp(t, {
    drain: { grace: 0, timeout: 60_000 },
    createServer: async () => {
      await new Promise<void>(resolve => { make = resolve })
      return createServer()
    }
  })
  const opened = send(url, { body: initialize })
  await until('a server is being made', () => make.length === 1)
  const drained = app.mcpSessions.drain()
  await until('no new sessions are taken', async () => (await send(url, { body: initialize })).status === 503)
  make()
  t.equal((await opened).status, 200)
  t.match(await drained, { lost: 0 })
})

/** A connection of a client that writes its requests itself, once the node has accepted it. */
async function accepted (t: Test, app: FastifyInstance, url: string): Promise<{ socket: Socket, head: (id: string) => string, received: () => string }> {
  const { hostname, port, host, pathname } = new URL(url)
  const accepting = once(app.server, 'connection')
  const socket = connectTcp(Number(port), hostname)
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('data', data => { received += data })
  await accepting
  return {
    socket,
    // A call of a session, but for its body and what says how long that is.
    head: id => `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMcp-Session-Id: ${id}\r\n`,
    received: () => received
  }
}

t.test('the last request of a connection is served, and its answer says that it was the last', async t => {
  const { app, url } = await startApp(t, { node: { url: `http://127.0.0.1:${await freePort()}` }, drain: { grace: 0, timeout: 60_000 } }, { fastify: { forceCloseConnections: false } })
  const id = await open(url)
  const { socket, head, received } = await accepted(t, app, url)
  const text = JSON.stringify(call('count'))
  // On its way while the node drains.
  socket.write(head(id))
  await app.mcpSessions.drain()
  t.ok(app.server.listening, 'a drained node serves until it closes')
  const closed = app.close()
  await until('nobody listens', () => !app.server.listening)
  socket.write(`Content-Length: ${text.length}\r\n\r\n${text}`)
  await until('it is answered', () => received().includes('"result"'))
  // Over a connection of its own: that of the session's first request may be open still.
  const { hostname, port } = new URL(url)
  const [refused] = await once(connectTcp(Number(port), hostname), 'connect').catch(error => [error])
  t.equal(refused?.code, 'ECONNREFUSED')
  t.match(received(), /^connection: close\r$/mi)
  await until('the connection is closed', () => socket.closed)
  await closed
})

t.test('a request that came while the process stood still is served before its connection is closed', async t => {
  const { app, url } = await startApp(t, { node: { url: `http://127.0.0.1:${await freePort()}` }, drain: { grace: 0, timeout: 60_000 } }, { fastify: { forceCloseConnections: false } })
  const id = await open(url)
  const { socket, head, received } = await accepted(t, app, url)
  socket.on('error', () => {})
  await app.mcpSessions.drain()
  const closed = app.close()
  await until('nobody listens', () => !app.server.listening)
  const text = JSON.stringify(call('count'))
  socket.write(`${head(id)}Content-Length: ${text.length}\r\n\r\n${text}`)
  const end = performance.now() + 500
  while (performance.now() < end);
  await until('the connection is closed', () => socket.closed)
  t.match(received(), '"result"')
  await closed
})

t.test('a client that stalls its connection holds up Fastify, but not the clean-up of Redis', async t => {
  const redis = connect(t, await startRedis(t))
  let make = (): void => {}
  let slow = false
  const { app, url } = await startApp(t, {
    redis,
    responseMode: 'json',
    drain: { timeout: 500 },
    createServer: async () => {
      if (slow) await new Promise<void>(resolve => { make = resolve })
      return createServer()
    }
  }, { fastify: { forceCloseConnections: 'idle', keepAliveTimeout: 100 } })
  // What the nodes prove themselves with is theirs for ever, and what became of a session is known for a day.
  const cleanedUp = async (): Promise<boolean> => (await redis.keys('*')).filter(key => !key.startsWith('mcp:trail:')).join() === 'mcp:secret'
  const id = await open(url)
  const { hostname, port, host, pathname } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  t.teardown(() => socket.destroy())
  await new Promise<void>(resolve => socket.write(`POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`, () => resolve()))
  const { answer } = await waitingCall(url, id)
  slow = true
  const late = send(url, { body: initialize })
  await until('a server is being made', () => make.length === 1)

  let closed = false
  const closing = app.close().then(() => { closed = true })
  t.match(await answer, { status: 200, body: { error: { data: { reason: 'session_ended' } } } })
  await until('no node or session is left in Redis', cleanedUp)
  make()
  t.match(await late, { status: 503, headers: { 'retry-after': /^\d+$/ }, body: { id: 1, error: { data: { reason: 'node_closing' } } } })
  t.equal(closed, false)
  socket.destroy()
  await closing
  t.ok(await cleanedUp())
})
