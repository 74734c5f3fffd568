// A beat brings what has changed: whatever was missed, lost or made otherwise, a node knows the others again.
import t from 'tap'
import type { Test } from 'tap'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { Unreadable } from '../../../lib/redis/link/unreadable.ts'
import { NodeRegistry } from '../../../lib/redis/nodes/node-registry.ts'
import type { Report } from '../../../lib/redis/nodes/node-state.ts'
import { readMembers } from '../../../lib/redis/scripts/member-scripts.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { keptLog } from '../../fixtures/log.ts'
import { memberOf } from '../../fixtures/members.ts'
import { connect, countCommands, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'

const HOUR = 3_600_000
const UP: Report = { state: 'up', sessions: 0, room: 1 }

const server = await startRedis(t)
const raw = connect(t, server)
await raw.ping()

/** Nodes of one cluster that beat when the test says so. */
function cluster (t: Test, { heartbeat = HOUR } = {}) {
  const keyPrefix = randomPrefix()
  const keys = redisKeys(keyPrefix)
  const start = async (id: string, onFailed = (err: unknown): void => { throw err }) => {
    const client = connect(t, server)
    const link = new Link(client, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
    t.teardown(() => link.stop())
    if (!await link.connected(5000)) throw new Error('not connected')
    const node = identity(id, `http://${id}`)
    const registry = new NodeRegistry({ link, keys, node, heartbeat, unreadable: new Unreadable(keptLog()), onFailed })
    const beat = (state: Report['state'] = 'up') => registry.beat({ ...UP, state })
    return { node, link, registry, beat, known: () => [...registry.latest().values()].map(({ id, state }) => `${id} ${state}`).sort().join() }
  }
  return { keyPrefix, keys, start }
}

t.test('a beat brings who came, changed and went', async t => {
  const { start } = cluster(t)
  const [a, b] = [await start('a'), await start('b')]
  t.equal(await a.beat(), 'gone', 'it is new')
  await until('it knows itself', () => a.known() === 'a up')
  t.equal(await a.beat(), 'renewed')
  await b.beat()
  t.equal(a.known(), 'a up', 'nobody has told it')
  await a.beat()
  t.equal(a.known(), 'a up,b up')
  await b.beat('draining')
  await a.beat()
  t.equal(a.known(), 'a up,b draining')
  await b.registry.withdraw()
  await a.beat()
  t.equal(a.known(), 'a up')
})

t.test('a beat is as many commands however many nodes there are, and reads none of them', async t => {
  const { keyPrefix, keys, start } = cluster(t)
  const a = await start('a')
  await a.beat()
  const alone = await countCommands(server, () => a.beat(), keyPrefix)
  const facts = JSON.stringify({ format: 2, tag: 't', epoch: 'e.0', state: 'up' })
  await raw.hset(keys.members, Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`n${i}`, `${Date.now() + HOUR} ${facts}`])))
  const among = await countCommands(server, () => a.beat(), keyPrefix)
  t.equal(among.length, alone.length)
  t.notOk(among.some(([, script]) => script === readMembers.sha || script === readMembers.lua))
})

t.test('whose beats are over is gone with the next beat of another', async t => {
  const { keyPrefix, start } = cluster(t, { heartbeat: 50 })
  const [a, b] = [await start('a'), await start('b')]
  await b.beat()
  await a.beat()
  await until('it knows both', () => a.known() === 'a up,b up')
  await until('its beats are over', async () => { await a.beat(); return await memberOf(raw, keyPrefix, 'b') === undefined })
  await until('it is known as gone', async () => { await a.beat(); return a.known() === 'a up' })
  t.strictSame(await a.registry.ids(), ['a', 'b'], 'and its id stays for its sessions')
  t.equal(await b.beat(), 'gone', 'it was taken for dead')
  await a.registry.forget('b')
  t.strictSame(await a.registry.ids(), ['a', 'b'], 'who lives is not forgotten')
})

t.test('who has missed more than the log has reads everything', async t => {
  const { start } = cluster(t)
  const [a, b] = [await start('a'), await start('b')]
  await a.beat()
  await until('it knows itself', () => a.known() === 'a up')
  for (let i = 0; i < 300; i++) await b.beat(i % 2 === 0 ? 'draining' : 'up')
  const c = await start('c')
  await c.beat()
  await a.beat()
  await until('it knows all', () => a.known() === 'a up,b up,c up')
})

t.test('a master with another history is noticed, though it has come to as many changes', async t => {
  const { keys, start } = cluster(t)
  const [a, b, c] = [await start('a'), await start('b'), await start('c')]
  for (const node of [a, b]) await node.beat()
  const before = await raw.dump(keys.members) as unknown as string
  const dump = await raw.dumpBuffer(keys.members)
  t.ok(before)
  await c.beat()
  await a.beat()
  await until('it knows all', () => a.known() === 'a up,b up,c up')
  // The replica that is promoted has not heard of c, and hears of something else.
  await raw.restore(keys.members, 0, dump, 'REPLACE')
  await b.beat('draining')
  await a.beat()
  await until('it knows what is there', () => a.known() === 'a up,b draining')
})

t.test('what was there before is nobody\'s: it is written over', async t => {
  const { keys, start } = cluster(t)
  await raw.hset(keys.members, '/version', 'x', '/log', 'y', '/check', 'z', 'junk', 'w')
  const [a, b] = [await start('a'), await start('b')]
  await a.beat()
  await b.beat()
  await a.beat()
  await until('they know each other', () => a.known() === 'a up,b up')
  t.match(await raw.hget(keys.members, '/version'), /^\d+\.[0-9a-f]{16}$/)
})

t.test('the last that leaves takes everything along', async t => {
  const { keys, start } = cluster(t)
  const [a, b] = [await start('a'), await start('b')]
  for (const { beat } of [a, b]) await beat()
  await a.registry.withdraw()
  t.equal(await raw.exists(keys.members), 1)
  await b.registry.withdraw()
  t.equal(await raw.exists(keys.members), 0)
})

t.test('that the set of older nodes cannot be had is no reason for a beat to fail', async t => {
  const { keys, start } = cluster(t)
  const failures: unknown[] = []
  const a = await start('a', err => { failures.push(err) })
  const run = a.link.run.bind(a.link)
  a.link.run = async (script, key, ...rest) => {
    if (key === keys.nodes) throw new Error('that server is away')
    return run(script, key, ...rest)
  }
  t.equal(await a.beat(), 'gone')
  t.equal(await a.beat(), 'renewed')
  await until('it knows itself', () => a.known() === 'a up')
  t.match(failures[0], { message: 'that server is away' })
})

t.test('a node that comes back with a newer format is not forgotten with the key of its older process', async t => {
  const { keys, start } = cluster(t)
  const [x, y] = [await start('x'), await start('y')]
  await raw.sadd(keys.nodes, 'x')
  await raw.set(keys.node('x'), JSON.stringify({ format: 1, url: 'http://x', tag: x.node.tag, epoch: 'before.0', state: 'up', sessions: 0, room: 1, beat: 1, heartbeat: HOUR }))
  await y.beat()
  await until('the older process is known', () => y.known() === 'x up,y up')
  // Its key is taken over: it is of another incarnation.
  await x.registry.beat(UP, await raw.get(keys.node('x')) ?? '')
  await y.beat()
  await y.beat()
  await raw.del(keys.node('x'))
  for (let i = 0; i < 3; i++) await y.beat()
  t.equal(y.known(), 'x up,y up')
  t.equal((await y.registry.alive()).get('x')?.epoch, x.node.epoch)
})

t.test('an answer that comes late says nothing', async t => {
  const { start } = cluster(t)
  const [a, b] = [await start('a'), await start('b')]
  await a.beat()
  await until('it knows itself', () => a.known() === 'a up')
  await b.beat()
  const run = a.link.run.bind(a.link)
  let late: (() => void) | undefined
  // The answer to the first beat is held back until the second has been heard.
  a.link.run = async (...args) => {
    a.link.run = run
    const answer = await run(...args)
    await new Promise<void>(resolve => { late = resolve })
    return answer
  }
  const first = a.beat()
  await until('its answer is there', () => late)
  await b.registry.withdraw()
  await a.beat()
  t.equal(a.known(), 'a up')
  late!()
  await first
  t.equal(a.known(), 'a up', 'b had come, and has gone since')
})
