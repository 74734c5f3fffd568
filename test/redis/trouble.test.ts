import { inspect } from 'node:util'
import t from 'tap'
import type { SessionDirectory } from '../../lib/directory/directory.ts'
import { newSessionId } from '../../lib/session-id.ts'
import { identity } from '../fixtures/directory-node.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { loseMember, memberOf, takePlace } from '../fixtures/members.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

const UNAVAILABLE = { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE', statusCode: 503, retryAfter: Number }

/** Status of an id, or the code of the error. */
const status = (directory: SessionDirectory, id: string) =>
  directory.locate(id).then(found => found.status, err => err.code as string)

t.test('records that Redis lost are written again', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const client = connect(t, server)
  const a = await startNode(t, client, { keyPrefix })
  const b = await startNode(t, connect(t, server), { keyPrefix })
  const records = Array.from({ length: 1200 }, () => a.node.open())
  for (const record of records) await a.directory.add(record)
  await server.kill()
  await until('the loss was noticed', () => a.log.lines.some(({ level, fields }) => level === 'warn' && fields['why']))
  const late = a.node.open()
  t.equal(await a.directory.add(late), false, 'a new session goes on without its record')
  await t.rejects(b.directory.locate(late.id), UNAVAILABLE)
  await t.rejects(b.directory.list({ limit: 10 }), UNAVAILABLE)
  t.equal((client as unknown as { offlineQueue: { length: number } }).offlineQueue.length, 0, 'nothing waits in the client')
  await server.start()
  await until('the first record is back', async () => await status(b.directory, records[0]!.id) === 'misrouted')
  await until('the last record is back', async () => await status(b.directory, records.at(-1)!.id) === 'misrouted')
  await until('the new one was written', async () => await status(b.directory, late.id) === 'misrouted')
  const raw = connect(t, server)
  t.equal(await raw.zcard(`${keyPrefix}node:${a.node.identity.id}:sessions`), 1201, 'the index too')
  t.ok(await memberOf(raw, keyPrefix, a.node.identity.id))
  t.equal(a.log.lines.filter(({ level }) => level === 'warn').length, 2, 'lost and regained, each said once')
})

t.test('what Redis refuses is unavailable, and the error keeps the session id to itself', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  const id = newSessionId(a.node.identity.tag)
  await connect(t, server).call('ACL', 'SETUSER', 'default', '-hgetall')
  for (const attempt of [a.directory.locate(id), a.directory.locate(id, { fresh: true })]) {
    const err = await attempt.then(() => undefined, err => err)
    t.match(err, UNAVAILABLE)
    t.notMatch(inspect(err, { depth: 5, showHidden: true }), id)
  }
})

t.test('after a reconnection absence is not evidence at first', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 400 })
  const unknown = newSessionId(a.node.identity.tag)
  t.equal(await status(a.directory, unknown), 'unknown')
  await server.restart()
  await until('Redis answers again', () => a.log.lines.some(({ message }) => message.endsWith('answers again')))
  const other = newSessionId(a.node.identity.tag)
  await t.rejects(a.directory.locate(other), UNAVAILABLE)
  await t.rejects(a.directory.remove(other, 'any'), UNAVAILABLE)
  t.strictSame(await a.directory.locate('not-of-ours'), { status: 'unknown' }, 'an id that no node made is no matter of doubt')
  await until('absence is evidence again', async () => await status(a.directory, other) === 'unknown')
})

t.test('a record whose owner has not beaten yet is not orphaned after a reconnection', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 60_000 })
  const client = connect(t, server)
  const b = await startNode(t, client, { keyPrefix, heartbeat: 400 })
  const record = a.node.open()
  await a.directory.add(record)
  client.disconnect(true)
  await until('the loss was noticed', () => b.log.lines.length === 1)
  await loseMember(connect(t, server), keyPrefix, a.node.identity.id)
  await until('Redis answers again', () => b.log.lines.length === 2)
  await t.rejects(b.directory.locate(record.id), UNAVAILABLE)
  await until('absence is evidence again', async () => await status(b.directory, record.id) === 'orphaned')
})

t.test('a node that finds its own key gone writes its records again', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  const record = a.node.open()
  await a.directory.add(record)
  const raw = connect(t, server)
  await raw.flushall()
  await until('the record is back', () => raw.exists(`${keyPrefix}session:${record.id}`))
  t.ok(await raw.pttl(`${keyPrefix}session:${record.id}`) > 0)
  t.ok(await memberOf(raw, keyPrefix, a.node.identity.id))
})

t.test('while Redis hangs nothing is issued, and all is done when it goes on', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const client = connect(t, server)
  const a = await startNode(t, client, { keyPrefix })
  const b = await startNode(t, connect(t, server), { keyPrefix })
  const [early, discarded] = [a.node.open(), a.node.open()]
  await a.directory.add(early)
  await a.directory.add(discarded)
  server.pause()
  t.equal(await a.directory.add(a.node.open()), false)
  // One beat of two commands and that write of two may be on their way.
  const waiting = () => (client as unknown as { commandQueue: { length: number }, offlineQueue: { length: number } })
  const before = waiting().commandQueue.length
  t.ok(before <= 8, `${before} commands wait for an answer`)
  const late = Array.from({ length: 500 }, () => a.node.open())
  t.ok((await Promise.all(late.map(record => a.directory.add(record)))).every(written => !written))
  for (const { id } of late) a.directory.touch(id)
  a.node.sessions.delete(discarded.id)
  a.directory.discard(discarded.id)
  for (let i = 0; i < 100; i++) await t.rejects(a.directory.locate(newSessionId(a.node.identity.tag)), UNAVAILABLE)
  const theirs = newSessionId(b.node.identity.tag)
  t.equal(await a.directory.remove(theirs, 'any'), 'queued')
  t.ok(waiting().commandQueue.length <= before && waiting().offlineQueue.length === 0, 'nothing piled up')
  server.resume()
  for (const { id } of [early, late[0]!, late.at(-1)!]) {
    await until('a record is there', async () => await status(b.directory, id) === 'misrouted')
  }
  await until('the discarded one is gone', async () => await status(b.directory, discarded.id) === 'unknown')
})

t.test('a session that ended while its write was unanswered leaves nothing behind', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  server.pause()
  const record = a.node.open()
  t.equal(await a.directory.add(record), false)
  a.node.sessions.delete(record.id)
  a.directory.discard(record.id)
  server.resume()
  const raw = connect(t, server)
  const later = a.node.open()
  await until('Redis takes writes again', () => a.directory.add(later))
  await until('the record is gone', async () => !await raw.exists(`${keyPrefix}session:${record.id}`))
  t.equal(await raw.zcard(`${keyPrefix}node:${a.node.identity.id}:sessions`), 1)
  t.ok(await raw.exists(`${keyPrefix}session:${later.id}`))
})

t.test('removals that Redis could not take are applied when it is back', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  const client = connect(t, server)
  const b = await startNode(t, client, { keyPrefix })
  const [ended, kept] = [a.node.open('issuer|ann'), a.node.open('issuer|ann')]
  await a.directory.add(ended)
  await a.directory.add(kept)
  await server.kill()
  await until('the loss was noticed', () => b.log.lines.length > 0)
  t.equal(await b.directory.remove(ended.id, { principal: 'issuer|ann' }), 'queued')
  t.equal(await b.directory.remove(kept.id, { principal: 'issuer|bob' }), 'queued')
  // Comes back empty: the owner writes the record again, and the removal must still find it.
  await server.start()
  await until('the owner ended the session', () => a.node.ended.length > 0)
  t.strictSame(a.node.ended, [[ended.id, 'closed']])
  await until('the record is gone', async () => await status(b.directory, ended.id) === 'unknown')
  t.equal(await status(b.directory, kept.id), 'misrouted', 'the wrong principal removes nothing')
})

t.test('the queue of removals has an end', async t => {
  const server = await startRedis(t)
  const a = await startNode(t, connect(t, server), { keyPrefix: randomPrefix() })
  await server.kill()
  await until('the loss was noticed', () => a.log.lines.length > 0)
  for (let i = 0; i < 1000; i++) await a.directory.remove(newSessionId(a.node.identity.tag), 'any')
  const id = newSessionId(a.node.identity.tag)
  await t.rejects(a.directory.remove(id, 'any'), UNAVAILABLE)
})

t.test('down at the start: the node starts, and writes when Redis is there', async t => {
  const server = await startRedis(t)
  await server.kill()
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  const record = a.node.open()
  t.equal(await a.directory.add(record), false)
  await t.rejects(a.directory.locate(newSessionId(a.node.identity.tag)), UNAVAILABLE)
  await server.start()
  const b = await startNode(t, connect(t, server), { keyPrefix })
  await until('the record is written', async () => await status(b.directory, record.id) === 'misrouted')
})

t.test('hanging at the start: the node starts, and writes when Redis goes on', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const client = connect(t, server)
  await client.ping()
  server.pause()
  const a = await startNode(t, client, { keyPrefix })
  const record = a.node.open()
  t.equal(await a.directory.add(record), false)
  server.resume()
  const b = await startNode(t, connect(t, server), { keyPrefix })
  await until('the record is written', async () => await status(b.directory, record.id) === 'misrouted')
})

t.test('a node keeps its key while it finds out whether another has its url', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const raw = connect(t, server)
  const id = identity('a', 'http://10.0.0.9:3000')
  // One that was killed, and beat slowly: it is watched for longer than our key lives.
  await takePlace(raw, keyPrefix, 'dead', { url: id.url, tag: id.tag, epoch: 'x.0', state: 'up', heartbeat: 1000 })
  const a = await startNode(t, connect(t, server), { keyPrefix, id })
  t.ok(a.node.beats > 2, `it has beaten ${a.node.beats} times`)
})

t.test('what changes while a beat is on its way is told by the next, at once', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 3_600_000 })
  a.directory.announce()
  a.node.draining = true
  a.directory.announce()
  const raw = connect(t, server)
  await until('the drain is told', async () => (await memberOf(raw, keyPrefix, a.node.identity.id))?.state === 'draining')
})

t.test('down at the start: a node that finds its id taken stops', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const first = identity('a')
  const a = await startNode(t, connect(t, server), { keyPrefix, id: first })
  const blocked = connect(t, server, { lazyConnect: true, retryStrategy: () => 20, port: 1 })
  const b = await startNode(t, blocked, { keyPrefix, id: identity('a') })
  t.equal(b.node.supersededBy, undefined)
  blocked.options.port = server.port
  await until('the second is superseded', () => b.node.supersededBy)
  t.equal(b.node.supersededBy, first.epoch)
  t.ok(b.log.lines.some(({ level }) => level === 'error'))
  t.equal(a.node.supersededBy, undefined, 'the first goes on')
})

t.test('a node whose key another process took over stops', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, id: identity('a') })
  const raw = connect(t, server)
  await takePlace(raw, keyPrefix, 'a', { tag: 'x', epoch: 'another' })
  await until('it is superseded', () => a.node.supersededBy)
  t.equal(a.node.supersededBy, 'another')
  t.equal(await a.directory.stop([], 500), 0)
  t.match(await memberOf(raw, keyPrefix, 'a'), { epoch: 'another' }, 'the other\'s place is left alone')
})

t.test('a record that names another owner ends the local session', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  const record = a.node.open()
  await a.directory.add(record)
  const raw = connect(t, server)
  await raw.hset(`${keyPrefix}session:${record.id}`, 'node', 'b', 'epoch', 'x')
  await loseMember(raw, keyPrefix, a.node.identity.id)
  await until('the session ended', () => a.node.ended.length > 0)
  t.strictSame(a.node.ended, [[record.id, 'taken']])
  t.equal(await raw.hget(`${keyPrefix}session:${record.id}`, 'node'), 'b', 'the record is not ours to touch')
})

t.test('10,000 sessions are cleaned up in one stop', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  const ids = []
  for (let i = 0; i < 20; i++) {
    const records = Array.from({ length: 500 }, () => a.node.open())
    await Promise.all(records.map(record => a.directory.add(record)))
    ids.push(...records.map(({ id }) => id))
  }
  const raw = connect(t, server)
  t.ok(await raw.dbsize() > 10_000)
  t.equal(await a.directory.stop(ids, 10_000), 0)
  t.strictSame((await raw.keys('*')).filter(key => !key.endsWith('secret')), [])
})

t.test('stop keeps to its bound while Redis hangs', async t => {
  const server = await startRedis(t)
  const a = await startNode(t, connect(t, server), { keyPrefix: randomPrefix() })
  const records = Array.from({ length: 600 }, () => a.node.open())
  for (const record of records) await a.directory.add(record)
  server.pause()
  t.equal(await a.directory.stop(records.map(({ id }) => id), 300), 600)
  server.resume()
})

t.test('stop leaves the client as it was', async t => {
  const server = await startRedis(t)
  const client = connect(t, server)
  const listeners = () => client.eventNames().map(name => [name, client.listenerCount(name)])
  const before = listeners()
  const a = await startNode(t, client, { keyPrefix: randomPrefix() })
  await a.directory.stop([], 500)
  t.strictSame(listeners(), before)
  t.equal(await client.ping(), 'PONG')
  t.strictSame(Object.keys((client as unknown as { scriptsSet: object }).scriptsSet), [], 'no command was defined on it')
})
