// A Redis that is far away: each answer takes longer than an initialize waits for its record.
import t from 'tap'
import { newSessionId } from '../../lib/session-id.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { startRelay } from '../fixtures/relay.ts'
import { until } from '../fixtures/until.ts'

t.test('a way of 300 ms to Redis and back is slow, and no outage', async t => {
  const server = await startRedis(t)
  const relay = await startRelay(t, server.port, { delay: 150 })
  const keyPrefix = randomPrefix()
  const far = () => connect(t, server, { port: relay.port })
  const a = await startNode(t, far(), { keyPrefix, heartbeat: 2000, lease: true })
  const b = await startNode(t, far(), { keyPrefix, heartbeat: 2000, lease: true })
  const records = []
  for (let i = 0; i < 8; i++) {
    const record = a.node.open()
    records.push(record)
    // Its caller goes on without an acknowledgement.
    t.equal(await a.directory.add(record), false)
    t.equal(a.directory.doubtful, false)
  }
  for (const { id } of records) {
    await until('the session is found', async () => (await b.directory.locate(id)).status === 'misrouted')
  }
  t.strictSame(await b.directory.locate(newSessionId(a.node.identity.tag)), { status: 'unknown' })
  t.equal((await b.directory.nodes()).length, 2)
  t.strictSame([...a.log.lines, ...b.log.lines].filter(({ level }) => level !== 'debug'), [], 'nothing is said of it')
})

t.test('a Redis that hangs is found out all the same, however slow it was', async t => {
  const server = await startRedis(t)
  const relay = await startRelay(t, server.port, { delay: 150 })
  const a = await startNode(t, connect(t, server, { port: relay.port }), { keyPrefix: randomPrefix(), heartbeat: 2000 })
  server.pause()
  await a.directory.add(a.node.open())
  await until('it is said', () => a.log.lines.some(({ message }) => message.includes('does not answer')))
  t.ok(a.directory.doubtful)
  server.resume()
  await until('it is back', () => a.log.lines.some(({ message }) => message.endsWith('answers again')))
})

t.test('a Redis that is busy with somebody\'s script serves nobody, whatever it says', async t => {
  const server = await startRedis(t)
  const [admin, other] = [connect(t, server), connect(t, server)]
  const a = await startNode(t, connect(t, server), { keyPrefix: randomPrefix(), heartbeat: 300 })
  await admin.config('SET', 'busy-reply-threshold', '20')
  const endless = other.eval('while true do end', 0).catch(() => {})
  await until('it is busy', () => admin.ping().then(() => false, () => true))
  const record = a.node.open()
  t.equal(await a.directory.add(record), false)
  await t.rejects(a.directory.locate(newSessionId(a.node.identity.tag)), { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE' })
  await until('it was tried for a while', () => a.node.beats > 6)
  t.match(a.log.lines.map(({ message }) => message), [/does not answer/], 'one line, and not that it answers again')
  await admin.script('KILL')
  await endless
  await until('it is back', () => a.log.lines.some(({ message }) => message.endsWith('answers again')))
  await until('the record is written', async () => (await a.directory.list({ limit: 1 }).catch(() => ({ sessions: [] }))).sessions.length === 1)
})
