import t from 'tap'
import { countIndex } from '../../lib/redis/scripts/record-scripts.ts'
import { newSessionId } from '../../lib/session-id.ts'
import { FakeNode, identity } from '../fixtures/directory-node.ts'
import { connect, countCommands, startRedis } from '../fixtures/redis.ts'
import { memberOf } from '../fixtures/members.ts'
import { randomPrefix, startNode } from '../fixtures/redis-node.ts'
import { until } from '../fixtures/until.ts'

const CALM = 3_600_000

/** Commands by the kind of key they touch. */
const onKey = (commands: string[][], part: string) => commands.filter(args => args[3]?.includes(part))

t.test('a session costs its record and its place in the index, once', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  await a.directory.add(a.node.open())
  const record = a.node.open()
  const commands = await countCommands(server, () => a.directory.add(record), keyPrefix)
  t.strictSame(commands.map(([name, , , key]) => [name, key]), [
    ['evalsha', `${keyPrefix}session:${record.id}`],
    ['evalsha', `${keyPrefix}node:${a.node.identity.id}:sessions`]
  ])
})

t.test('1,000 touches of a session cost nothing right after its write', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 300 })
  const record = a.node.open()
  await a.directory.add(record)
  const commands = await countCommands(server, async () => {
    for (let i = 0; i < 1000; i++) a.directory.touch(record.id)
    const { beats } = a.node
    await until('three more beats', () => a.node.beats > beats + 3)
  }, keyPrefix)
  t.strictSame(onKey(commands, `:${record.id}`), [])
  t.strictSame(onKey(commands, ':sessions').filter(([, script]) => script !== countIndex.sha && script !== countIndex.lua), [], 'the index is counted, and not written')
})

t.test('a look at an id elsewhere is one read', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const records = [a.node.open(), a.node.open()]
  for (const record of records) await a.directory.add(record)
  await b.directory.locate(records[0]!.id)
  const commands = await countCommands(server, () => Promise.all(Array.from({ length: 50 }, () => b.directory.locate(records[1]!.id))), keyPrefix)
  t.strictSame(commands.map(args => args[3]), [`${keyPrefix}session:${records[1]!.id}`], 'fifty callers share it')
})

t.test('the same unknown id is asked for once', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const stale = newSessionId(identity('long gone').tag)
  await a.directory.locate(stale)
  const commands = await countCommands(server, async () => {
    for (let i = 0; i < 200; i++) t.strictSame(await a.directory.locate(stale), { status: 'unknown' })
    for (let i = 0; i < 200; i++) t.strictSame(await a.directory.locate(`no id of ours ${i}`), { status: 'unknown' })
  }, keyPrefix)
  t.strictSame(commands, [])
})

t.test('a flood of unknown ids is not a flood of reads', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const record = b.node.open()
  await b.directory.add(record)
  const stranger = identity('stranger').tag
  let seconds = 0
  const commands = await countCommands(server, async () => {
    const begin = performance.now()
    await Promise.all(Array.from({ length: 5000 }, async (_, i) => {
      const id = newSessionId(stranger)
      if (i % 2) t.strictSame(await a.directory.locate(id), { status: 'unknown' })
      else t.equal(await a.directory.remove(id, 'any'), 'unknown')
    }))
    seconds = (performance.now() - begin) / 1000
  }, keyPrefix)
  const reads = new Set(onKey(commands, `${keyPrefix}session:`).map(args => args[3])).size
  t.ok(reads <= 1000 + 500 * seconds, `${reads} reads for 5,000 ids`)
  const looks = commands.filter(args => args[3]?.endsWith(':sessions')).length
  t.ok(looks <= 2 * (10 + 100 * seconds), `and ${looks} looks into two indexes`)
  t.equal((await a.directory.locate(record.id)).status, 'misrouted')
})

t.test('two thousand sessions that exist are all found: hits cost no budget', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const records = Array.from({ length: 2000 }, () => a.node.open())
  await Promise.all(records.map(record => a.directory.add(record)))
  for (const { id } of records) if ((await b.directory.locate(id)).status !== 'misrouted') t.fail(`${id} was not found`)
})

t.test('scripts that Redis forgot are sent again', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  const b = await startNode(t, connect(t, server), { keyPrefix })
  await connect(t, server).script('FLUSH')
  const records = Array.from({ length: 20 }, () => a.node.open())
  t.ok((await Promise.all(records.map(record => a.directory.add(record)))).every(Boolean))
  await connect(t, server).script('FLUSH')
  t.equal((await b.directory.locate(records[0]!.id)).status, 'misrouted')
  await connect(t, server).script('FLUSH')
  t.equal(await a.directory.stop(records.map(({ id }) => id), 2000), 0)
})

t.test('what a client calls itself is kept short', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix })
  const record = { ...new FakeNode(a.node.identity).open(), clientInfo: { name: 'n'.repeat(100_000), version: 'v'.repeat(100_000) } }
  await a.directory.add(record)
  const raw = await connect(t, server).hget(`${keyPrefix}session:${record.id}`, 'clientInfo')
  t.ok(raw!.length < 1000)
})

t.test('an owner that is known costs no read while it is up', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const client = connect(t, server)
  const b = await startNode(t, client, { keyPrefix, heartbeat: CALM })
  const record = a.node.open()
  await a.directory.add(record)
  await b.directory.locate(record.id)
  const located = async () => { for (let i = 0; i < 1000; i++) t.equal((await b.directory.locate(record.id)).status, 'misrouted') }
  t.strictSame(await countCommands(server, located, keyPrefix), [])
  const fresh = await countCommands(server, () => b.directory.locate(record.id, { fresh: true }), keyPrefix)
  t.strictSame(fresh.map(args => args[3]), [`${keyPrefix}session:${record.id}`, `${keyPrefix}members`])
  a.node.draining = true
  a.directory.announce()
  const raw = connect(t, server)
  await until('the drain is told', async () => (await memberOf(raw, keyPrefix, a.node.identity.id))?.state === 'draining')
  await b.directory.locate(record.id, { fresh: true })
  const draining = await countCommands(server, () => b.directory.locate(record.id), keyPrefix)
  t.strictSame(draining.map(args => args[3]), [`${keyPrefix}session:${record.id}`], 'a draining one is looked at each time')
  await server.kill()
  await until('the loss was noticed', () => b.log.lines.length > 0)
  t.equal((await b.directory.locate(record.id)).status, 'misrouted', 'and while Redis is away what was known is told')
  await t.rejects(b.directory.locate(record.id, { fresh: true }), { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE' })
})

t.test('an owner that died is forgotten', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const client = connect(t, server)
  const a = await startNode(t, client, { keyPrefix, heartbeat: 50 })
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 50 })
  const record = a.node.open()
  await a.directory.add(record)
  t.equal((await b.directory.locate(record.id)).status, 'misrouted')
  client.disconnect()
  await until('it is orphaned', async () => (await b.directory.locate(record.id)).status === 'orphaned')
})

t.test('changes are written at once, then at most once a second, and the last one is', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 100 })
  const record = a.node.open()
  await a.directory.add(record)
  const raw = connect(t, server)
  let n = 0
  const change = () => {
    a.node.sessions.set(record.id, { ...record, state: String(++n) })
    a.directory.changed(record.id)
  }
  const written = async () => Number(await raw.hget(`${keyPrefix}session:${record.id}`, 'state'))
  let seconds = 0
  const commands = await countCommands(server, async () => {
    for (let i = 0; i < 100; i++) change()
    await until('the first are written', async () => await written() === 100)
    const begin = performance.now()
    for (const later of ['a later one', 'one more']) {
      const before = await written()
      await until(`${later} is written`, async () => {
        change()
        return await written() > before
      })
    }
    seconds = (performance.now() - begin) / 1000
    await until('the last one is written', async () => await written() === n)
  }, keyPrefix)
  const writes = onKey(commands.filter(([name]) => name!.startsWith('eval')), `:${record.id}`).length
  t.ok(writes <= 3 + seconds, `${writes} writes of ${n} changes`)
})

t.test('a storm: 2,000 orphans are claimed at once with at most 4 commands each', async t => {
  const server = await startRedis(t)
  const keyPrefix = randomPrefix()
  const client = connect(t, server)
  const a = await startNode(t, client, { keyPrefix, heartbeat: 50 })
  const records = Array.from({ length: 2000 }, () => a.node.open())
  await Promise.all(records.map(record => a.directory.add(record)))
  client.disconnect()
  const raw = connect(t, server)
  await until('the owner is gone', async () => await memberOf(raw, keyPrefix, a.node.identity.id) === undefined)
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: CALM })
  const commands = await countCommands(server, () => Promise.all(records.map(async ({ id }) => {
    const found = await b.directory.locate(id)
    if (found.status !== 'orphaned' || await b.directory.claim(found.record) !== 'claimed') return t.fail('not claimed')
    b.node.adopt(found.record)
    b.directory.touch(id)
  })), keyPrefix)
  t.comment(`${commands.length} commands for ${records.length} sessions`)
  t.ok(commands.length <= 4 * records.length, `${commands.length} commands`)
  t.ok(commands.filter(args => args[3] === `${keyPrefix}members`).length <= 3, 'the dead node is looked at once or twice')
  t.equal(await raw.zcard(`${keyPrefix}node:${b.node.identity.id}:sessions`), 2000)
  t.equal(b.node.epochs.size, 2000)
})
