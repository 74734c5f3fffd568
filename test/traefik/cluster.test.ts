// Three node processes behind a real Traefik, with real Redis, and clients that keep no cookies.
import t from 'tap'
import { randomUUID } from 'node:crypto'
import { connect as connectSocket } from 'node:net'
import type { Test } from 'tap'
import { request } from 'undici'
import { lines } from '../fixtures/clients.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, initialize, inSession, open, send } from '../fixtures/http.ts'
import { startNodeProcess } from '../fixtures/node-process.ts'
import type { NodeProcess } from '../fixtures/node-process.ts'
import { startRedis } from '../fixtures/redis.ts'
import type { RedisServer } from '../fixtures/redis.ts'
import { startTraefik } from '../fixtures/traefik.ts'
import type { StartedTraefik } from '../fixtures/traefik.ts'
import { until } from '../fixtures/until.ts'
import { nodeTag, tagOf } from '../../lib/session-id.ts'

const token = randomUUID()

interface Member extends NodeProcess { address: string, tag: string }
interface Cluster { redis: RedisServer, members: Member[], traefik: StartedTraefik, url: string, join: (id: string) => Promise<Member> }

/** Nodes a, b, c; Traefik polls the document of c. */
async function startCluster (t: Test): Promise<Cluster> {
  const redis = await startRedis(t)
  const keyPrefix = `test:${randomUUID()}:`
  async function join (id: string): Promise<Member> {
    const address = `http://127.0.0.1:${await freePort()}`
    const node = await startNodeProcess(t, { redis: redis.url, keyPrefix, node: { id, url: address, heartbeat: 500 }, drain: { grace: 2500 }, traefik: { token } })
    return { ...node, address, tag: nodeTag({ id, url: address }) }
  }
  const members = await Promise.all(['a', 'b', 'c'].map(join))
  const traefik = await startTraefik(t, {
    poll: { url: `${members[2]!.address}/mcp-sticky/traefik`, token }
  })
  const cluster = { redis, members, traefik, url: `${traefik.url}/mcp`, join }
  await until('Traefik serves all three', () => serves(cluster, members))
  return cluster
}

/** Whether Traefik's pool has these nodes, all up. */
async function serves ({ traefik }: Cluster, members: Member[]): Promise<boolean> {
  const services = await traefik.api('/api/http/services') as Array<{ name: string, serverStatus?: Record<string, string> }>
  const pool = services.find(({ name }) => name.startsWith('mcp-pool@'))?.serverStatus ?? {}
  return Object.keys(pool).length === members.length && members.every(({ address }) => pool[address] === 'UP')
}

const count = async (url: string, id: string): Promise<string> => {
  const answer = await inSession(url, id, call('count'))
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`)
  return answer.body.result.content[0].text
}

t.test('fifty clients without cookies: every call reaches its session, both ways, on three nodes', async t => {
  const { url, members } = await startCluster(t)
  const connects = Object.values(lines)
  const clients = await Promise.all(Array.from({ length: 50 }, (_, i) => connects[i % 2]!(t, url)))
  const tags = new Set(clients.map(client => tagOf(client.sessionId())))
  t.same([...tags].sort(), members.map(({ tag }) => tag).sort(), 'sessions are spread over all nodes')
  const wrong: string[] = []
  await Promise.all(clients.map(async (client, i) => {
    for (let n = 1; n <= 18; n++) {
      const text = await client.call('count')
      if (text !== String(n)) wrong.push(`client ${i} call ${n}: ${text}`)
    }
    const seen: number[] = []
    if (await client.call('progress', { steps: 3 }, step => seen.push(step)) !== 'done' || seen.join() !== '1,2,3') wrong.push(`client ${i} progress ${seen.join()}`)
    if (await client.call('ask') !== 'Ada') wrong.push(`client ${i} ask`)
  }))
  t.same(wrong, [])
})

t.test('the session id wins over a wrong cookie; the guard keeps internal paths off', async t => {
  const { url, members, traefik } = await startCluster(t)
  const opened = await send(url, { body: initialize })
  const id = opened.headers['mcp-session-id'] as string
  for (const { tag } of members) {
    t.equal((await inSession(url, id, call('count'), { cookie: `_mcp_backend=${tag}` })).status, 200)
  }
  t.match(String(opened.headers['set-cookie']), new RegExp(`^_mcp_backend=${tagOf(id)}; Path=/mcp; HttpOnly; Secure; SameSite=Strict$`))
  for (const path of ['/mcp-sticky/ready', '/mcp-sticky/alive', '/mcp-sticky/traefik']) {
    t.equal((await send(`${traefik.url}${path}`, { method: 'GET' })).status, 418, path)
  }
  t.equal((await send(`${traefik.url}/mcpfoo`, { body: initialize })).status, 404)
})

t.test('streams arrive event by event and survive reloads; a new node joins, a drained one leaves', async t => {
  const cluster = await startCluster(t)
  const { url, members, join, traefik } = cluster
  const asked = { ...initialize, params: { ...initialize.params, capabilities: { elicitation: {} } } }
  const id = (await send(url, { body: asked })).headers['mcp-session-id'] as string
  const stream = await request(url, { headers: { accept: 'text/event-stream', 'mcp-session-id': id } })
  let streamEnded = false
  stream.body.on('close', () => { streamEnded = true }).on('error', () => {}).resume()

  // The handler waits for each answer, so its next event exists only once the client has seen this one.
  const asking = await request(url, {
    method: 'POST',
    headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json', 'mcp-session-id': id },
    body: JSON.stringify(call('ask', {}, 'a1'))
  })
  t.equal(asking.headers['content-type'], 'text/event-stream')
  const events = dataOf(asking.body)
  const question = JSON.parse((await events.next()).value!)
  t.equal(question.method, 'elicitation/create')

  const newcomer = await join('d')
  await until('the newcomer is in the pool', () => serves(cluster, [...members, newcomer]))
  const before = await open(url)
  t.notOk(streamEnded, 'the stream has survived the reload')

  t.equal((await inSession(url, id, { jsonrpc: '2.0', id: question.id, result: { action: 'accept', content: { name: 'Bo' } } })).status, 202)
  t.match((await events.next()).value, /"text":"Bo"/)

  const leaver = tagOf(id) === newcomer.tag ? members[0]! : newcomer
  const ended = leaver.terminate()
  let refused = 0
  const load = { on: true }
  const opening = (async () => {
    while (load.on) if ((await send(url, { body: initialize })).status !== 200) refused++
  })()
  await ended
  await until('the leaver is gone from the document', async () => !JSON.stringify(await traefik.api('/api/rawdata')).includes(leaver.address))
  load.on = false
  await opening
  t.equal(refused, 0, 'no new session failed while a node left')
  t.notOk(streamEnded)
  t.ok(before)
})

t.test('kill -9 of a node under load, and a flood of broken bodies: the others lose nothing', async t => {
  const { url, members, traefik } = await startCluster(t)
  const ids = await Promise.all(Array.from({ length: 30 }, () => open(url)))
  const victim = members[0]!
  const kept = ids.filter(id => tagOf(id) !== victim.tag)
  t.ok(kept.length > 0 && kept.length < ids.length)
  const calls = new Map(kept.map(id => [id, 0]))
  const lost: string[] = []
  const failed = [0, 0, 0]
  let opened = 0
  const load = { on: true }
  const callers = kept.map(async id => {
    while (load.on) {
      const n = calls.get(id)! + 1
      calls.set(id, n)
      await count(url, id).then(text => { if (text !== String(n)) lost.push(`call ${n}: ${text}`) }, error => { lost.push(`call ${n}: ${error.message}`) })
    }
  })
  const newcomers = failed.map(async (_, i) => {
    while (load.on) await open(url).then(() => { opened++ }, () => { failed[i]!++ })
  })
  const { port } = new URL(traefik.url)
  const flood = Array.from({ length: 4 }, async () => {
    for (let i = 0; load.on; i++) await brokenBody(Number(port), i)
  })
  const total = (): number => [...calls.values()].reduce((sum, n) => sum + n, 0)
  await until('the load runs', () => total() > 200 && opened > 5)
  victim.kill()
  const then = total()
  await until('the dead node is gone from the document', async () => !JSON.stringify(await traefik.api('/api/rawdata')).includes(victim.address))
  await until('the load has gone on', () => total() > then + 500)
  load.on = false
  await Promise.all([...callers, ...newcomers, ...flood])
  t.comment(`${total()} calls in ${kept.length} sessions, ${lost.length} lost; ${opened} new sessions, ${failed.join(' + ')} failed`)
  t.same(lost, [])
  // What had been written to the node dies with it, since Traefik sends nothing twice: one request a client at most.
  t.ok(failed.every(count => count <= 1), 'nobody fails to open a session but by a request in flight at the kill')
})

t.test('kill -9 of the node that Traefik polls: the configuration stays, the others serve', async t => {
  const cluster = await startCluster(t)
  const { url, members, traefik } = cluster
  const ids = await Promise.all(Array.from({ length: 9 }, () => open(url)))
  const polled = members[2]!
  polled.kill()
  await until('the pool is without it', async () => {
    const services = await traefik.api('/api/http/services') as Array<{ name: string, serverStatus?: Record<string, string> }>
    return services.find(({ name }) => name.startsWith('mcp-pool@'))?.serverStatus?.[polled.address] === 'DOWN'
  })
  for (const id of ids.filter(id => tagOf(id) !== polled.tag)) t.equal(await count(url, id), '1')
  for (let i = 0; i < 5; i++) t.not(tagOf(await open(url)), polled.tag)
  t.ok(JSON.stringify(await traefik.api('/api/rawdata')).includes(polled.address), 'nobody told Traefik otherwise')
})

t.test('Redis stopped: traffic goes on, the configuration stays', async t => {
  const { url, members, traefik, redis } = await startCluster(t)
  const ids = await Promise.all(Array.from({ length: 9 }, () => open(url)))
  await redis.kill()
  for (let n = 1; n <= 5; n++) for (const id of ids) t.equal(await count(url, id), String(n))
  const polls = async (): Promise<number> => (await fetch(`${members[2]!.address}/mcp-sticky/traefik`, { headers: { authorization: `Bearer ${token}` } })).status
  t.equal(await polls(), 200)
  await open(url)
  const document = JSON.stringify(await traefik.api('/api/rawdata'))
  for (const { address } of members) t.ok(document.includes(address))
})

/** The data of each event as it comes in, keep-alive comments left out. */
async function * dataOf (body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  for await (const chunk of body) {
    for (const [, data] of chunk.toString().matchAll(/^data: (.*)$/gm)) yield data!
  }
}

/** A POST that announces more than it sends, or sends no JSON, then hangs up. */
async function brokenBody (port: number, i: number): Promise<void> {
  await new Promise<void>(resolve => {
    const socket = connectSocket(port, '127.0.0.1')
    socket.on('error', () => resolve()).on('close', () => resolve())
    const truncated = i % 2 === 0
    socket.write(`POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${truncated ? 1000 : 9}\r\nConnection: close\r\n\r\n{"broken"`)
    if (truncated) socket.once('connect', () => setImmediate(() => socket.destroy()))
    else socket.resume()
  })
}
