// What another program, or a damaged disk, may have left under a name of ours.
import t from 'tap'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { readMemberState, readNodeState } from '../../../lib/redis/nodes/node-state.ts'
import { Sweeper } from '../../../lib/redis/clearing/sweeper.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { keptLog } from '../../fixtures/log.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'
import { memberOf, takePlace } from '../../fixtures/members.ts'
import { randomPrefix, startNode, type RedisNode } from '../../fixtures/redis-node.ts'
import { until } from '../../fixtures/until.ts'

const SECRET = 's3cret'

const nodeValues: Record<string, string> = {
  'no JSON': `{ not json: ${SECRET}`,
  'a number': '7',
  null: 'null',
  'an array': '[1]',
  'an odd shape': JSON.stringify({ v: 99, url: 7, tag: null }),
  'no epoch': JSON.stringify({ tag: 'x', state: 'up' }),
  'a url that is none': JSON.stringify({ tag: 'x', epoch: 'e.0', url: `not a url ${SECRET}` }),
  'a url with a path': JSON.stringify({ tag: 'x', epoch: 'e.0', url: `http://10.0.0.1/${SECRET}` }),
  'a url of another scheme': JSON.stringify({ tag: 'x', epoch: 'e.0', url: 'file://x' }),
  'a port that is none': JSON.stringify({ tag: 'x', epoch: 'e.0', url: 'http://10.0.0.1:99999' })
}

/** What was said of it: in one warning, without the content. */
const said = ({ log }: RedisNode) => log.lines.filter(({ message }) => message.startsWith('unreadable'))

t.test('the keys of nodes: they count as absent, and each is said once', async t => {
  const server = await startRedis(t)
  const raw = connect(t, server)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 500 })
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 500 })
  const names = Object.keys(nodeValues)
  for (const [i, value] of Object.values(nodeValues).entries()) {
    await raw.sadd(`${keyPrefix}nodes`, `x${i}`)
    await raw.set(`${keyPrefix}node:x${i}`, value)
  }
  await raw.sadd(`${keyPrefix}nodes`, 'list', `no id ${SECRET}`)
  await raw.rpush(`${keyPrefix}node:list`, SECRET)
  const record = a.node.open()
  await a.directory.add(record)
  for (let round = 0; round < 3; round++) {
    const { beats } = b.node
    await until('only nodes are', async () => {
      const ids = await b.directory.nodes().then(nodes => nodes.map(({ id }) => id), () => [])
      return b.node.beats > beats && ids.join() === [a.node.identity.id, b.node.identity.id].sort().join()
    })
  }
  await until('the session is found', async () => await b.directory.locate(record.id).then(({ status }) => status, () => '') === 'misrouted')
  t.strictSame((await b.directory.list({ limit: 10 })).sessions.map(({ id }) => id), [record.id])
  t.strictSame(said(b).map(({ fields }) => fields['what']).sort(), ['a member of the set of nodes', ...[...names.keys(), 'list'].map(i => `the key of the node ${i === 'list' ? i : `x${i}`}`)].sort())
  t.notMatch(JSON.stringify(b.log.lines), SECRET)
})

t.test('what stands at a place among the nodes: no node\'s counts as absent, and is said once', async t => {
  const server = await startRedis(t)
  const raw = connect(t, server)
  const keyPrefix = randomPrefix()
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 500 })
  for (const [i, value] of Object.values(nodeValues).entries()) await takePlace(raw, keyPrefix, `x${i}`, value)
  await raw.hset(redisKeys(keyPrefix).members, 'bare', SECRET, `no id ${SECRET}`, '0 ')
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 500 })
  await until('only nodes are', async () => (await b.directory.nodes()).map(({ id }) => id).join() === [a.node.identity.id, b.node.identity.id].sort().join())
  t.strictSame((await b.directory.list({ limit: 10 })).sessions, [])
  t.strictSame(said(b).map(({ fields }) => fields['what']).sort(), ['bare', ...Object.keys(nodeValues).map((_, i) => `x${i}`)].map(id => `the place of the node ${id}`).sort())
  t.notMatch(JSON.stringify(b.log.lines), SECRET)
})

t.test('a node\'s own place: it takes it, whatever was there, and beats on when it is written over', async t => {
  const server = await startRedis(t)
  const raw = connect(t, server)
  const keyPrefix = randomPrefix()
  const key = redisKeys(keyPrefix).members
  const put: Record<string, (value: string) => Promise<unknown>> = {
    'with an end': value => takePlace(raw, keyPrefix, 'a', value),
    bare: value => raw.hset(key, 'a', value),
    'of another type': value => raw.multi().del(key).rpush(key, value).exec()
  }
  for (const [how, write] of Object.entries(put)) {
    await write(SECRET)
    const a = await startNode(t, connect(t, server), { keyPrefix, id: identity('a') })
    t.ok(await memberOf(raw, keyPrefix, 'a'), `taken, ${how}`)
    for (const value of Object.values(nodeValues)) {
      await write(value)
      await until('it beats again', async () => await raw.type(key) === 'hash' && (await memberOf(raw, keyPrefix, 'a'))?.epoch === a.node.identity.epoch)
    }
    t.equal(a.node.supersededBy, undefined)
    t.ok(said(a).length <= 1)
    await a.directory.stop([], 500)
    t.equal(await raw.hexists(key, 'a'), 0)
  }
})

t.test('fields of a newer node that are not known are left out, and those that make no sense too', async t => {
  const tag = '0123456789abcdef'
  t.match(readNodeState('a', JSON.stringify({ tag, epoch: 'e.1', state: 'up', sessions: 3, room: null, heartbeat: 500, format: 9, secret: 'x' })), {
    id: 'a', tag, tags: [tag], epoch: 'e.1', url: undefined, state: 'up', load: { sessions: 3, room: Infinity }, heartbeat: 500
  })
  t.match(readNodeState('a', JSON.stringify({ tag, epoch: 'e.1', state: 'resting', sessions: 'many', room: -1, heartbeat: 1e12, tags: 1e6 })), {
    state: 'draining', load: { sessions: 0, room: 0 }, heartbeat: 2000, tags: [tag]
  })
  t.match(readMemberState('a', `17 ${JSON.stringify({ tag, epoch: 'e.1', url: 'http://a', tags: 3 })}`), { until: 17, tags: [tag, /^[0-9a-f]{16}$/, /^[0-9a-f]{16}$/], load: undefined })
  t.equal(readNodeState('a b', JSON.stringify({ tag, epoch: 'e.1' })), undefined)
})

t.test('records and indexes: each is as good as absent, and spoils nothing else', async t => {
  const server = await startRedis(t)
  const raw = connect(t, server)
  const keyPrefix = randomPrefix()
  const keys = redisKeys(keyPrefix)
  const a = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 500 })
  const b = await startNode(t, connect(t, server), { keyPrefix, heartbeat: 500 })
  const [good, list, nameless, odd] = [a.node.open(), a.node.open(), a.node.open(), a.node.open()] as const
  for (const record of [good, list, nameless, odd]) await a.directory.add(record)
  await raw.multi().del(keys.session(list.id)).rpush(keys.session(list.id), SECRET).exec()
  await raw.hset(keys.session(nameless.id), { node: `no id of a node: ${SECRET}` })
  await raw.hset(keys.session(odd.id), { url: `nowhere ${SECRET}`, formerly: `x, ${SECRET},y` })
  await raw.sadd(keys.nodes, '0', 'z')
  await raw.set(keys.index('0'), SECRET)
  await raw.hset(keys.index('z'), 'x', SECRET)
  const status = async (id: string) => b.directory.locate(id, { fresh: true }).then(({ status }) => status, err => err.code)
  t.equal(await status(list.id), 'unknown')
  t.equal(await status(nameless.id), 'unknown')
  t.match(await b.directory.locate(odd.id), { status: 'misrouted', record: { url: undefined, formerly: ['x', 'y'] } })
  t.equal(await b.directory.remove(list.id, 'any'), 'unknown')
  const { sessions } = await b.directory.list({ limit: 10 })
  t.strictSame(sessions.map(({ id }) => id).sort(), [good.id, odd.id].sort())
  t.notMatch(JSON.stringify(b.log.lines), SECRET)
  const lines = said(b).length
  await b.directory.list({ limit: 10 })
  await status(list.id)
  t.equal(said(b).length, lines, 'each is said once')
  t.ok(said(b).every(({ fields }) => !JSON.stringify(fields).includes(list.id)), 'an id is a credential')
})

t.test('an index of another type does not keep the sweeper from the others', async t => {
  const server = await startRedis(t)
  const raw = connect(t, server)
  await raw.ping()
  const keys = redisKeys(randomPrefix())
  const link = new Link(raw, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
  const log = keptLog()
  const sweeper = new Sweeper({ link, keys, node: { id: 'c', epoch: 'e.0' }, log, after: 1, interval: 1, doubt: { left: 0 }, forget: async () => {}, nodes: async () => ({ ids: ['bad', 'dead'], live: new Map() }) })
  await raw.set(keys.index('bad'), SECRET)
  await raw.zadd(keys.index('dead'), 1, 'id')
  await raw.hset(keys.session('id'), { node: 'dead', epoch: 'e', lastSeenAt: 1 })
  await until('the other is swept', async () => (await sweeper.turn()).swept === 1)
  t.strictSame(log.lines.filter(({ level }) => level === 'warn'), [])
  t.equal(await raw.get(keys.index('bad')), SECRET, 'what nobody writes is left alone')
})
