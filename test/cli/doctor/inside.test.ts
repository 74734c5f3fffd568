// Each fault of Redis, and of nodes among themselves, makes its check fail, and no other.
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { COMMANDS } from '../../../lib/cli/doctor/redis.ts'
import { judgeClocks } from '../../../lib/cli/doctor/nodes.ts'
import { FORMAT } from '../../../lib/format.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { version } from '../../../lib/version.ts'
import { startApp } from '../../fixtures/app.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { takePlace } from '../../fixtures/members.ts'
import { connect, connectCluster, startCluster as startRedisCluster, startRedis } from '../../fixtures/redis.ts'
import { randomPrefix } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'
import { examined, having, inside, startPatients } from './setup.ts'
import type { Patients, Row } from './setup.ts'

const INSIDE = ['redis-eviction', 'redis-persistence', 'redis-acl', 'nodes', 'node-urls', 'node-options', 'node-versions', 'clocks', 'forwarded']

/** Looks from inside: what has failed, and what was seen of that. */
async function finds (t: Test, patients: Pick<Patients, 'redis' | 'keyPrefix'>, check: string, saw: RegExp, user?: string): Promise<Row[]> {
  const found = await examined(inside(patients, user))
  t.strictSame(having('failed', found), [check], found.out)
  t.equal(found.code, 1)
  t.match(found.rows.find(row => row.check === check), { saw })
  return found.rows
}

t.test('from inside alone, all is well', async t => {
  const found = await examined(inside(await startPatients(t)))
  t.strictSame(having('ok', found), INSIDE, found.out)
  t.equal(found.code, 0)
})

t.test('Redis that evicts', async t => {
  await finds(t, await startPatients(t, {}, { redis: ['--maxmemory-policy', 'allkeys-lru', '--maxmemory', '100mb'] }), 'redis-eviction', /^allkeys-lru, maxmemory 104857600$/)
})

t.test('Redis that keeps nothing', async t => {
  await finds(t, await startPatients(t, {}, { redis: ['--appendonly', 'no'] }), 'redis-persistence', /^1 of 1 servers without AOF/)
})

t.test('a user who may not do all that nodes do; the documented one may', async t => {
  const patients = await startPatients(t)
  const [, line] = /^ACL SETUSER mcp (.*)$/m.exec(readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8'))!
  const rules = line!.split(' ').map(rule => rule === '><password>' ? '>hunter2-pass' : rule === '~mcp:*' ? `~${patients.keyPrefix}*` : rule)
  const admin = connect(t, patients.redis)
  await admin.call('ACL', 'SETUSER', 'mcp', ...rules)
  const allowed = await examined(inside(patients, 'mcp:hunter2-pass@'))
  t.strictSame(having('ok', allowed), INSIDE, allowed.out)
  await admin.call('ACL', 'SETUSER', 'mcp', '-xadd', '-zrank', '-info')
  const rows = await finds(t, patients, 'redis-acl', /^not allowed: zrank xadd$/, 'mcp:hunter2-pass@')
  t.match(rows.find(({ check }) => check === 'redis-eviction'), { verdict: 'skipped', saw: 'this user may not run INFO' })
  t.notOk(JSON.stringify(rows).includes('hunter2'))

  // Without +publish nodes serve as well: nobody can watch them.
  const needed = rules.filter(rule => rule.startsWith('+') && !/info|hello|client|publish/.test(rule)).map(rule => rule.slice(1))
  t.strictSame(COMMANDS.map(command => command.split(' ')[0]).sort(), needed.sort(), 'all of the documented commands are looked at')
})

t.test('each master of a Cluster', async t => {
  const servers = await startRedisCluster(t)
  const keyPrefix = randomPrefix()
  await startApp(t, { redis: connectCluster(t, servers), keyPrefix, node: { id: 'a', heartbeat: 500 } })
  const found = await examined(['--cluster', ...servers.masters.flatMap(({ url }) => ['--redis', url]), '--key-prefix', keyPrefix])
  t.strictSame(having('failed', found), ['redis-persistence'], found.out)
  t.equal(found.rows.find(({ check }) => check === 'redis-persistence')!.saw, '3 of 3 servers without AOF and without a replica')
  t.match(found.rows.find(({ check }) => check === 'node-urls'), { verdict: 'skipped', saw: 'the only node has no url' })
})

t.test('nobody under this prefix', async t => {
  const redis = await startRedis(t, ['--appendonly', 'yes'])
  const rows = await finds(t, { redis, keyPrefix: 'none:' }, 'nodes', /^no live node under none:$/)
  t.strictSame(rows.filter(({ verdict }) => verdict === 'skipped').map(({ check }) => check), INSIDE.slice(4))
})

t.test('a node that others do not reach at its url', async t => {
  const redis = await startRedis(t, ['--appendonly', 'yes'])
  const keyPrefix = randomPrefix()
  const url = `http://127.0.0.1:${await freePort()}`
  await startApp(t, { redis: connect(t, redis), keyPrefix, node: { id: 'a', url, heartbeat: 100 } })
  // It listens on another port than its url says.
  const { app } = await startApp(t, { redis: connect(t, redis), keyPrefix, node: { id: 'b', url: `http://localhost:${await freePort()}`, heartbeat: 100 } })
  await until('they know of each other', async () => (await app.mcpSessions.nodes()).length === 2)
  await finds(t, { redis, keyPrefix }, 'node-urls', /^(?=.*a does not reach b \()(?=.*b does not reach itself \()(?!.*reach a)/)
})

t.test('options that differ', async t => {
  await finds(t, await startPatients(t, id => ({ misroute: id === 'a' ? 'forward' : 'reject' })), 'node-options', /^misroute: forward \(a\), reject \(b\)$/)
  await finds(t, await startPatients(t, id => ({ stateless: id === 'a' && {} })), 'node-options', /^stateless: default \(a\), none \(b\)$/)
})

t.test('a node of another version, which does not answer', async t => {
  const patients = await startPatients(t)
  await takePlace(connect(t, patients.redis), patients.keyPrefix, 'newer', { tag: 'x', epoch: 'n.0', state: 'up', heartbeat: 100, format: FORMAT + 1, url: new URL(patients.nodes[0]!.url).origin })
  const found = await examined(inside(patients))
  t.strictSame(having('failed', found), ['node-versions'], found.out)
  t.match(found.rows.find(({ check }) => check === 'node-versions')!.saw, new RegExp(`^format: ${FORMAT} \\(a, b\\), ${FORMAT + 1} \\(newer\\)$`))
  t.match(found.rows.find(({ check }) => check === 'clocks')!.saw, /no answer from newer/)
})

t.test('a node whose clock is an hour behind', async t => {
  const patients = await startPatients(t)
  const raw = connect(t, patients.redis)
  const keys = redisKeys(patients.keyPrefix)
  await takePlace(raw, patients.keyPrefix, 'late', { tag: 'x', epoch: 'n.0', state: 'up', heartbeat: 100, format: FORMAT, url: new URL(patients.nodes[0]!.url).origin })
  const finding = finds(t, patients, 'clocks', /^late is 3600 s behind Redis$/)
  await raw.hset(keys.looks(await asked(raw, keys.close('late'))), 'late', `${Date.now()} ${JSON.stringify({ at: Date.now() - 3_600_000, version: version(), forwarded: 0, sees: {} })}`)
  await finding
})

t.test('what another program has written there is nobody\'s answer', async t => {
  const patients = await startPatients(t)
  const raw = connect(t, patients.redis)
  const keys = redisKeys(patients.keyPrefix)
  for (const id of ['late', 'later']) await takePlace(raw, patients.keyPrefix, id, { tag: 'x', epoch: 'n.0', state: 'up', heartbeat: 100, format: FORMAT })
  const examining = examined(inside(patients))
  const looks = keys.looks(await asked(raw, keys.close('late')))
  await raw.hset(looks, 'late', 'nonsense', 'later', '1 {"at":', 'nobody', '1 {}')
  t.match((await examining).rows.find(({ check }) => check === 'clocks')!, { verdict: 'ok', saw: /no answer from late, later / })
  t.ok(await raw.pttl(looks) > 0, 'and does not stay')
})

/** The token that a node is asked with. */
async function asked (raw: Redis, closeSet: string): Promise<string> {
  const entry = await until('it is asked', async () => (await raw.smembers(closeSet))[0])
  return entry.slice('*look '.length)
}

t.test('clocks', async t => {
  t.match(judgeClocks([{ id: 'a', ahead: 3 }, { id: 'b', ahead: -4999 }]), { verdict: 'ok', saw: 'at most 4999 ms off that of Redis' })
  t.match(judgeClocks([{ id: 'a', ahead: 3 }, { id: 'b', ahead: -61_000 }, { id: 'c', ahead: 7000 }]), { verdict: 'failed', saw: 'b is 61 s behind Redis, c is 7 s before Redis' })
  t.match(judgeClocks([], ' at all'), { verdict: 'skipped', saw: 'no node has told its time at all' })
})
