import t, { type Test } from 'tap'
import { redisKeys } from '../../lib/redis/keys.ts'
import { Link } from '../../lib/redis/link/link.ts'
import { OwnRecords } from '../../lib/redis/keeping/own-records.ts'
import { FakeNode, identity } from '../fixtures/directory-node.ts'
import { connect, startRedis } from '../fixtures/redis.ts'
import { loseMember, memberOf } from '../fixtures/members.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

const UNAVAILABLE = { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE' }

/** A clock that stands still until it is moved by an hour. */
function stoppedClock () {
  let hours = 0
  return { clock: () => ({ monotonic: hours * 3_600_000, wall: 0 }), lapse: () => { hours++ } }
}

/** As in the product: what leaves is here no more, but its record is known until it is given up. */
function leaves (node: FakeNode): () => void {
  let leaving = true
  node.record = id => leaving ? node.sessions.get(id) : undefined
  node.has = () => false
  return () => { leaving = false }
}

/** One node with a lease that lapses when the test says so. */
async function setUp (t: Test, { heartbeat = 1000 } = {}) {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const keys = redisKeys(keyPrefix)
  const { clock, lapse } = stoppedClock()
  const client = connect(t, server)
  const a = await startNode(t, client, { keyPrefix, heartbeat, lease: clock })
  const raw = connect(t, server)
  const epochs = (ids: string[]) => Promise.all(ids.map(id => raw.hget(keys.session(id), 'epoch')))
  return { server, keyPrefix, keys, client, raw, a, lapse, epochs }
}

t.test('a node whose key vanished takes a new epoch at once and moves all its records', async t => {
  const { a, raw, keyPrefix, epochs } = await setUp(t, { heartbeat: 3_600_000 })
  const records = Array.from({ length: 1200 }, () => a.node.open())
  await Promise.all(records.map(record => a.directory.add(record)))
  const { id, epoch: old } = a.node.identity
  await loseMember(raw, keyPrefix, id)
  a.directory.announce()
  await until('it has a new epoch', () => a.node.identity.epoch !== old)
  const now = a.node.identity.epoch
  t.ok(now.startsWith(`${a.node.identity.incarnation}.`))
  await until('all records have it', async () => (await epochs(records.map(({ id }) => id))).every(epoch => epoch === now))
  t.equal((await memberOf(raw, keyPrefix, id))?.epoch, now)
  await until('the node was told of each', () => records.every(({ id }) => a.node.epochs.get(id) === now))
  t.equal(a.node.leased, true)
  t.strictSame(a.node.ended, [])
  const { beats } = a.node
  a.directory.announce()
  await until('it has beaten more', () => a.node.beats > beats)
  t.equal(a.node.identity.epoch, now, 'one lapse, one epoch')
})

t.test('a renewal that was given up and then applied does not take our own session away', async t => {
  const { server, a, lapse, epochs } = await setUp(t)
  const record = a.node.open()
  await a.directory.add(record)
  // The renewal of this turn waits in the client, with the epoch of now.
  server.pause()
  t.equal(await a.directory.reclaim(record.id), 'unanswered')
  lapse()
  server.resume()
  await until('it is ours by a new epoch', async () => await a.directory.reclaim(record.id) === 'kept')
  t.equal(a.node.leased, true)
  t.strictSame(await epochs([record.id]), [a.node.identity.epoch])
  t.not(a.node.identity.epoch, `${a.node.identity.incarnation}.0`)
  t.strictSame(a.node.ended, [])
})

t.test('a renewal that arrives late does not bring an old epoch back', async t => {
  const raw = connect(t, await startRedis(t))
  await raw.ping()
  const keys = redisKeys(randomPrefix())
  const link = new Link(raw, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  const node = identity('a')
  const records = new OwnRecords({ link, keys, node, ttl: 60_000, onFailed: err => { throw err } })
  const session = { id: 'x', createdAt: 1, protocolVersion: '2025-11-25', clientInfo: { name: 'n', version: '1' } }
  node.epoch = `${node.incarnation}.10`
  await records.write(session).outcome
  node.epoch = `${node.incarnation}.9`
  t.match(await records.renew([{ id: 'x' }]).outcome, { kept: ['x'] })
  t.equal(await raw.hget(keys.session('x'), 'epoch'), `${node.incarnation}.10`)
  t.equal(await records.write(session).outcome, 'written')
  t.equal(await raw.hget(keys.session('x'), 'epoch'), `${node.incarnation}.10`)
  node.epoch = `${node.incarnation}.11`
  await records.renew([{ id: 'x' }]).outcome
  t.equal(await raw.hget(keys.session('x'), 'epoch'), `${node.incarnation}.11`)
})

t.test('while Redis does not answer, a reclaim says so, and nothing is lost', async t => {
  const { server, a, lapse } = await setUp(t)
  const records = Array.from({ length: 20 }, () => a.node.open())
  for (const record of records) await a.directory.add(record)
  const ask = async () => new Set(await Promise.all(records.map(({ id }) => a.directory.reclaim(id))))
  lapse()
  server.pause()
  t.strictSame(await ask(), new Set(['unanswered']), 'hanging')
  t.strictSame(await ask(), new Set(['unanswered']), 'known to hang')
  await server.kill()
  await until('the loss was noticed', () => a.log.lines.length > 0)
  t.strictSame(await ask(), new Set(['unanswered']), 'gone')
  t.strictSame(a.node.ended, [])
  await server.start()
  await until('all are ours', async () => (await ask()).size === 1 && (await ask()).has('kept'))
  t.strictSame(a.node.ended, [])
})

t.test('a Redis that is known not to answer is not asked, and from its first answer on it is', async t => {
  const { server, a, lapse } = await setUp(t)
  const { id } = a.node.open()
  await a.directory.add(a.node.record(id)!)
  t.equal(a.directory.away(id), false)
  lapse()
  t.equal(a.directory.away(id), false, 'nobody has tried')
  // What a request would have found when the first answer after each trouble was heard.
  const heard: boolean[] = []
  const beating = a.node.beating.bind(a.node)
  a.node.beating = () => {
    const acknowledged = beating()
    return gone => {
      heard.push(a.directory.away(id))
      acknowledged(gone)
    }
  }
  server.pause()
  t.equal(await a.directory.reclaim(id), 'unanswered')
  await until('it is known to hang', () => a.directory.away(id))
  server.resume()
  await until('a beat is answered', () => heard.length > 0)
  t.equal(heard[0], false)
  await until('it is ours', async () => await a.directory.reclaim(id) === 'kept')
  await server.kill()
  await until('the loss is noticed', () => a.directory.away(id))
  heard.length = 0
  await server.start()
  await until('a beat is answered', () => heard.length > 0)
  t.equal(heard[0], false)
  await until('it is ours', async () => await a.directory.reclaim(id) === 'kept')
  t.strictSame(a.node.ended, [])
})

t.test('whoever asks a Redis that is away in a loop lets others run', async t => {
  const { server, a, lapse } = await setUp(t)
  const { id } = a.node.open()
  await server.kill()
  await until('the loss is noticed', () => a.directory.away(id))
  lapse()
  const others = { ran: false }
  setImmediate(() => { others.ran = true })
  let rounds = 0
  for (; !others.ran && rounds < 10_000; rounds++) {
    await a.directory.reclaim(id)
    await a.directory.locate(id).catch(() => {})
  }
  t.ok(others.ran, `after ${rounds} rounds`)
})

t.test('sessions that ask together are asked for together', async t => {
  const { a, lapse } = await setUp(t, { heartbeat: 3_600_000 })
  const records = Array.from({ length: 100 }, () => a.node.open())
  for (const record of records) await a.directory.add(record)
  const { beats } = a.node
  // Two beats of an hour.
  lapse()
  lapse()
  t.strictSame(new Set(await Promise.all(records.map(({ id }) => a.directory.reclaim(id)))), new Set(['kept']))
  t.ok(a.node.beats <= beats + 2, 'one beat, and one that was asked for meanwhile')
})

t.test('a record that Redis lost is written again by a reclaim', async t => {
  const { a, raw, lapse, keys } = await setUp(t, { heartbeat: 3_600_000 })
  const record = a.node.open('issuer|ann')
  await a.directory.add(record)
  lapse()
  lapse()
  await raw.del(keys.session(record.id))
  t.equal(await a.directory.reclaim(record.id), 'kept')
  t.match(await raw.hgetall(keys.session(record.id)), { epoch: a.node.identity.epoch, principal: 'issuer|ann', initialize: record.replay!.initialize })
  t.equal(a.node.epochs.get(record.id), a.node.identity.epoch)
})

t.test('nothing is claimed without Redis, or while our own beat is unanswered', async t => {
  const { server, keyPrefix, a, lapse } = await setUp(t)
  const b = await startNode(t, connect(t, server), { keyPrefix })
  const record = b.node.open()
  await b.directory.add(record)
  await b.directory.giveUp([record.id], 1000)
  const found = await a.directory.locate(record.id)
  t.equal(found.status, 'orphaned')
  if (found.status !== 'orphaned') return
  server.pause()
  await t.rejects(a.directory.claim(found.record), UNAVAILABLE)
  lapse()
  await t.rejects(a.directory.claim(found.record), UNAVAILABLE)
  server.resume()
  const claim = () => a.directory.claim(found.record).catch(() => undefined)
  await until('it is claimed, whatever became of the first', async () => await claim() === 'claimed')
})

t.test('giving up keeps to its bound, and what it could not mark is marked when asked again', async t => {
  const { server, a, raw, keys } = await setUp(t)
  const records = Array.from({ length: 600 }, () => a.node.open())
  await Promise.all(records.map(record => a.directory.add(record)))
  const ids = records.map(({ id }) => id)
  const released = async () => (await Promise.all(ids.map(id => raw.hget(keys.session(id), 'released')))).filter(Boolean).length
  server.pause()
  await a.directory.giveUp(ids, 100)
  server.resume()
  await raw.ping()
  await until('Redis takes it', async () => {
    await a.directory.giveUp(ids, 2000)
    return await released() === 600
  })
})

t.test('what could not be given up in time is given up later, though its node has closed it', async t => {
  const { server, a, raw, keys } = await setUp(t, { heartbeat: 100 })
  const [changed, closed] = [a.node.open(), a.node.open('issuer|ann')]
  const released = (id: string) => raw.hget(keys.session(id), 'released')
  for (const record of [changed, closed]) await a.directory.add(record)
  const gone = leaves(a.node)
  await server.kill()
  await until('the loss was noticed', () => a.log.lines.length > 0)
  a.node.sessions.set(changed.id, { ...changed, state: '{"n":1}' })
  a.directory.changed(changed.id)
  await a.directory.giveUp([changed.id, closed.id], 100)
  gone()
  a.directory.discard(closed.id, { principal: 'issuer|ann' })
  // Comes back empty.
  await server.start()
  await until('it is given up', () => released(changed.id))
  t.match(await raw.hgetall(keys.session(changed.id)), { node: a.node.identity.id, state: '{"n":1}' })
  t.equal(await raw.exists(keys.session(closed.id)), 0, 'what was closed is not written again')
  t.strictSame(a.node.ended, [])
})

t.test('a session that is given up takes along what changed, though its record was lost', async t => {
  const { a, raw, keys } = await setUp(t, { heartbeat: 3_600_000 })
  const [changed, lost] = [a.node.open(), a.node.open()]
  for (const record of [changed, lost]) await a.directory.add(record)
  for (const n of [1, 2, 3]) {
    a.node.sessions.set(changed.id, { ...changed, state: `${n}` })
    a.directory.changed(changed.id)
    if (n === 1) await until('the first is written', async () => await raw.hget(keys.session(changed.id), 'state') === '1')
  }
  await raw.del(keys.session(lost.id))
  leaves(a.node)
  await a.directory.giveUp([changed.id, lost.id], 1000)
  t.match(await raw.hgetall(keys.session(changed.id)), { released: '1', state: '3' })
  t.match(await raw.hgetall(keys.session(lost.id)), { released: '1', node: a.node.identity.id, initialize: lost.replay!.initialize })
})
