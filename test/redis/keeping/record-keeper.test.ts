import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { CloseSet } from '../../../lib/redis/nodes/close-set.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { OwnRecords, type Renewal } from '../../../lib/redis/keeping/own-records.ts'
import { RecordKeeper } from '../../../lib/redis/keeping/record-keeper.ts'
import { FakeNode, identity } from '../../fixtures/directory-node.ts'
import { connect, countCommands, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'

function renewal ({ kept }: { kept: string[] }): Renewal {
  return { outcome: Promise.resolve({ epoch: 'e.0', kept, taken: [], absent: [], failed: [] }), settled: Promise.resolve() }
}

/** A keeper alone: nothing happens unless the test does it. */
async function setUp (t: Test) {
  const server = await startRedis(t)
  const raw = connect(t, server)
  await raw.ping()
  const prefix = randomPrefix()
  const keys = redisKeys(prefix)
  const owner = new FakeNode(identity('a'))
  const failures: unknown[] = []
  const link = new Link(raw, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  const records = new OwnRecords({ link, keys, node: owner.identity, ttl: 60_000, onFailed: err => failures.push(err) })
  const closeSet = new CloseSet(link, keys, 'a')
  return { server, raw, prefix, keys, owner, link, records, closeSet, failures, keeper: new RecordKeeper({ link, records, closeSet, local: owner, onOthers: () => true, onFailed: err => { throw err } }) }
}

t.test('touches are written together: a renewal each and one write of the index', async t => {
  const { server, raw, prefix, keys, owner, records, keeper } = await setUp(t)
  const sessions = Array.from({ length: 100 }, () => owner.open())
  for (const session of sessions) await records.write(session).outcome
  await raw.pexpire(keys.session(sessions[0]!.id), 1000)
  await records.renew([{ id: owner.open().id }]).outcome
  const commands = await countCommands(server, async () => {
    for (let i = 0; i < 100; i++) for (const { id } of sessions) keeper.touch(id)
    await keeper.flush()
    for (const { id } of sessions) keeper.touch(id)
    await keeper.flush()
  }, prefix)
  const index = commands.filter(args => args[3] === keys.index('a'))
  t.equal(index.length, 1)
  t.equal(commands.length - index.length, 100)
  t.ok(await raw.pttl(keys.session(sessions[0]!.id)) > 1000, 'the record lives on')
})

t.test('a requested close is never undone by a rewrite', async t => {
  const { raw, keys, owner, closeSet, keeper } = await setUp(t)
  const [closed, lost] = [owner.open(), owner.open()]
  await keeper.add(closed)
  await keeper.add(lost)
  await closeSet.add(closed.id)
  await raw.del(keys.session(closed.id), keys.session(lost.id))
  keeper.verifyAll()
  await keeper.flush()
  t.strictSame(owner.ended, [[closed.id, 'closed']])
  t.equal(await raw.exists(keys.session(closed.id)), 0)
  t.equal(await raw.exists(keys.session(lost.id)), 1, 'a lost one is written again')
})

t.test('what a promoted replica did not have of a session is written again', async t => {
  const { raw, keys, owner, keeper } = await setUp(t)
  const record = owner.open()
  await keeper.add(record)
  owner.sessions.set(record.id, { ...record, state: '"changed"' })
  keeper.changed(record.id)
  await keeper.flush()
  t.equal(await raw.hget(keys.session(record.id), 'state'), '"changed"')
  await raw.hdel(keys.session(record.id), 'state')
  keeper.verifyAll()
  await keeper.flush()
  t.equal(await raw.hget(keys.session(record.id), 'state'), '"changed"')
})

t.test('a session that ended before the rewrite is not written', async t => {
  const { raw, keys, owner, keeper } = await setUp(t)
  const record = owner.open()
  keeper.verifyAll()
  owner.sessions.delete(record.id)
  await keeper.flush()
  t.equal(await raw.exists(keys.session(record.id)), 0)
})

t.test('an id that another owner recorded is not overwritten', async t => {
  const { raw, keys, owner, keeper } = await setUp(t)
  const record = owner.open()
  await raw.hset(keys.session(record.id), { node: 'b', epoch: 'e' })
  await keeper.add(record)
  t.strictSame(owner.ended, [[record.id, 'taken']])
  t.equal(await raw.hget(keys.session(record.id), 'node'), 'b')
})

t.test('what Redis refuses is told and stays due', async t => {
  const { raw, keys, owner, keeper, failures } = await setUp(t)
  const record = owner.open()
  await raw.call('ACL', 'SETUSER', 'default', '-hset')
  t.equal(await keeper.add(record), false)
  t.match(failures, [{ name: 'ReplyError', message: /can't run this command/ }])
  await raw.call('ACL', 'SETUSER', 'default', '+hset')
  await keeper.flush()
  t.equal(await raw.hget(keys.session(record.id), 'node'), 'a')
})

t.test('a deletion waits for a write that is still on its way', async t => {
  const owner = new FakeNode(identity('a'))
  const done: string[] = []
  let settle = () => {}
  const keeper = new RecordKeeper({
    local: owner,
    onOthers: () => true,
    onFailed: err => { throw err },
    link: { ready: true },
    closeSet: { tryRead: async () => [] },
    records: {
      write: () => ({ epoch: 'e.0', outcome: Promise.resolve('failed'), settled: new Promise<void>(resolve => { settle = resolve }).then(() => { done.push('written') }) }),
      renew: () => renewal({ kept: [] }),
      giveUp: async () => ({ released: [], absent: [], failed: [] }),
      index: async () => ({ indexed: true, settled: Promise.resolve() }),
      unlist: async () => true,
      drop: async ended => { done.push('dropped'); return { done: ended.map(({ id }) => id), others: [] } }
    }
  })
  const record = owner.open()
  t.equal(await keeper.add(record), false)
  owner.sessions.delete(record.id)
  keeper.discard(record.id)
  await keeper.flush()
  t.strictSame(done, [])
  t.equal(keeper.discarding(record.id), true)
  settle()
  await until('it is deleted', () => !keeper.discarding(record.id))
  t.strictSame(done, ['written', 'dropped'])
})

t.test('what is claimed again is not deleted, unless somebody asked for that', async t => {
  const { server, raw, keys, owner, keeper } = await setUp(t)
  const [idle, closed] = [owner.open(), owner.open()]
  await keeper.add(idle)
  await keeper.add(closed)
  server.pause()
  keeper.discard(idle.id)
  keeper.discard(closed.id, 'any')
  t.strictSame(keeper.removersOf(idle.id), [])
  t.strictSame(keeper.removersOf(closed.id), ['any'])
  t.equal(keeper.claiming(idle.id), true)
  t.equal(keeper.claiming(closed.id), false)
  server.resume()
  await until('the closed one is deleted', async () => await raw.exists(keys.session(closed.id)) === 0)
  await keeper.flush()
  t.equal(await raw.exists(keys.session(idle.id)), 1)
})

/** A keeper of sessions whose records are missing, unless they are said to exist: what it does to them is noted. */
function withoutRecord (owner: FakeNode, parts: { ready?: boolean, exists?: boolean, failing?: number, reading?: () => void, written?: (id: string) => void, onOthers?: () => boolean }) {
  const done: string[] = []
  let { exists = false, failing = 0 } = parts
  const keeper = new RecordKeeper({
    local: owner,
    onOthers: parts.onOthers ?? (() => true),
    onFailed: err => { throw err },
    link: { ready: parts.ready ?? true },
    closeSet: { tryRead: async () => { parts.reading?.(); return [] } },
    records: {
      write: ({ id }) => {
        exists = true
        done.push('written')
        parts.written?.(id)
        return { epoch: 'e.0', outcome: Promise.resolve('written'), settled: Promise.resolve() }
      },
      renew: updates => renewal({ kept: updates.map(({ id }) => id) }),
      giveUp: async updates => {
        const ids = updates.map(({ id }) => id)
        await setImmediate()
        if (failing-- > 0) return { released: [], absent: [], failed: ids }
        if (exists) for (const { changes } of updates) done.push(changes === undefined ? 'released' : 'released, changed')
        return exists ? { released: ids, absent: [], failed: [] } : { released: [], absent: ids, failed: [] }
      },
      index: async () => ({ indexed: true, settled: Promise.resolve() }),
      unlist: async () => true,
      drop: async ended => { done.push('dropped'); return { done: ended.map(({ id }) => id), others: ended.map(({ id }) => id) } }
    }
  })
  return { done, keeper }
}

t.test('a missing record of a session that leaves is written and given up', async t => {
  const owner = new FakeNode(identity('a'))
  const { id } = owner.open()
  owner.has = () => false
  const { done, keeper } = withoutRecord(owner, {})
  t.equal(await keeper.giveUp([id], performance.now() + 1000), 0)
  t.strictSame(done, ['written', 'released'])
})

t.test('what has changed of a session is not forgotten while others are given up', async t => {
  const owner = new FakeNode(identity('a'))
  const ids = Array.from({ length: 501 }, () => owner.open().id)
  owner.has = () => false
  const { done, keeper } = withoutRecord(owner, { exists: true })
  keeper.changed(ids.at(-1)!)
  t.equal(await keeper.giveUp(ids, performance.now() + 10_000), 0)
  t.equal(done.length, 501)
  t.strictSame(done.slice(-2), ['released', 'released, changed'])
})

t.test('a session that is closed while it leaves is not written again', async t => {
  const owner = new FakeNode(identity('a'))
  const { id } = owner.open()
  owner.has = () => false
  const before = withoutRecord(owner, {})
  const giving = before.keeper.giveUp([id], performance.now() + 1000)
  before.keeper.discard(id, 'any')
  t.equal(await giving, 0)
  await until('its record is deleted', () => !before.keeper.discarding(id))
  t.strictSame(before.done, ['dropped'])
  const then = withoutRecord(owner, { reading: () => then.keeper.discard(id, 'any') })
  t.equal(await then.keeper.giveUp([id], performance.now() + 1000), 0)
  await until('its record is deleted', () => !then.keeper.discarding(id))
  t.strictSame(then.done, ['dropped'], 'nor when its record was found missing')
  const late = withoutRecord(owner, { written: id => late.keeper.discard(id, 'any') })
  t.equal(await late.keeper.giveUp([id], performance.now() + 1000), 0)
  await until('its record is deleted', () => !late.keeper.discarding(id))
  t.strictSame(late.done, ['written', 'dropped'], 'and one that is being written is not given up')
})

t.test('a record that may have been released unheard is not written again', async t => {
  const owner = new FakeNode(identity('a'))
  const { id } = owner.open()
  owner.has = () => false
  const { done, keeper } = withoutRecord(owner, { failing: 1 })
  t.equal(await keeper.giveUp([id], performance.now() + 1000), 1)
  await keeper.flush()
  t.equal(await keeper.giveUp([], performance.now() + 1000), 0, 'it is adopted and closed')
  t.strictSame(done, [])
})

t.test('a close of which the others cannot be told yet is asked for again', async t => {
  const owner = new FakeNode(identity('a'))
  const { id } = owner.open()
  owner.sessions.delete(id)
  let [asked, room] = [0, false]
  const { keeper } = withoutRecord(owner, { onOthers: () => { asked++; return room } })
  keeper.discard(id, 'any')
  await until('the others were to be told', () => asked === 1)
  await keeper.flush()
  t.equal(asked, 2)
  t.strictSame(keeper.removersOf(id), ['any'])
  t.equal(keeper.claiming(id), false)
  room = true
  await keeper.flush()
  await keeper.flush()
  t.equal(asked, 3)
  t.equal(keeper.discarding(id), false)
})

t.test('after clear nothing is written any more', async t => {
  const { raw, keys, owner, keeper } = await setUp(t)
  const record = owner.open()
  await keeper.add(record)
  keeper.verifyAll()
  t.equal(await keeper.clear([record.id], performance.now() + 1000), 0)
  await keeper.flush()
  t.equal(await raw.exists(keys.session(record.id)), 0)
})

t.test('deletions that Redis cannot be asked for are remembered, but for the oldest of too many', async t => {
  const owner = new FakeNode(identity('a'))
  const { keeper } = withoutRecord(owner, { ready: false })
  keeper.discard('first', 'any')
  keeper.discard('second')
  keeper.discard('first')
  t.strictSame(keeper.removersOf('first'), ['any'], 'that somebody asked is not forgotten')
  for (let i = 0; i < 99_999; i++) keeper.discard(`s${i}`)
  t.equal(keeper.discarding('second'), false, 'it is left to expire')
  t.equal(keeper.discarding('first'), true)
  keeper.discard('one more')
  t.equal(keeper.discarding('first'), false)
  t.equal(keeper.discarding('s0'), true)
})
