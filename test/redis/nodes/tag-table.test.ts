import t from 'tap'
import type { Test } from 'tap'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { Link } from '../../../lib/redis/link/link.ts'
import { Unreadable } from '../../../lib/redis/link/unreadable.ts'
import { RedisTagTable } from '../../../lib/redis/nodes/tag-table.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { keptLog } from '../../fixtures/log.ts'
import { connect, startRedis } from '../../fixtures/redis.ts'

const [X, Y, Z] = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb', 'cccccccccccccccc'] as const

const holder = (node: string, promised = 0) => ({ node, incarnation: `life-of-${node}`, promised })

/** The tables of two nodes, of which nothing is young. */
async function setUp (t: Test) {
  const raw = connect(t, await startRedis(t))
  await raw.ping()
  const keys = redisKeys('p:')
  const log = keptLog()
  const [a, b] = ['a', 'b'].map(id => {
    const link = new Link(raw, { lost () {}, masterGone () {}, answering () {}, reconnected () {} })
    t.teardown(() => link.stop())
    return new RedisTagTable({ link, keys, node: identity(id), heartbeat: 0, unreadable: new Unreadable(log) })
  }) as [RedisTagTable, RedisTagTable]
  return { raw, key: keys.tags, log, a, b }
}

t.test('an entry moves from as it was seen, and all see that', async t => {
  const { a, b } = await setUp(t)
  t.strictSame([...await a.read()], [])
  t.equal(await a.move(X, undefined, holder('a', 3)), true)
  t.strictSame([...await b.read()], [[X, holder('a', 3)]])
  t.equal(await b.move(X, holder('a', 2), holder('b')), false, 'it was another')
  t.equal(await b.move(X, holder('a', 3), holder('b')), true)
  t.equal(await a.move(X, holder('a', 3), holder('b')), true, 'it is so already')
  t.strictSame([...await a.read()], [[X, holder('b')]])
  t.equal(await a.move(X, holder('b'), undefined), true)
  t.strictSame([[...await a.read()], [...await b.read()]], [[], []])
})

t.test('each change makes it younger', async t => {
  const { a, b } = await setUp(t)
  const stamps: number[] = []
  for (const node of ['a', 'b', 'c']) {
    await a.move(X, a.latest().get(X), holder(node))
    await a.read()
    stamps.push(a.stamp)
  }
  t.ok(stamps[0]! > 0 && stamps[0]! < stamps[1]! && stamps[1]! < stamps[2]!, String(stamps))
  await b.read()
  t.equal(b.stamp, a.stamp)
})

t.test('of a node that is known no more nothing is left', async t => {
  const { a, b } = await setUp(t)
  for (const tag of [X, Y]) await a.move(tag, undefined, holder('dead'))
  await a.move(Z, undefined, holder('b'))
  await a.keep(async () => ['a', 'b'])
  t.strictSame([...await b.read()], [[Z, holder('b')]])
})

t.test('what is no entry is none, and a table that is gone is empty', async t => {
  const { raw, key, a, b } = await setUp(t)
  await a.move(X, undefined, holder('a'))
  await raw.hset(key, Y, 'nonsense', Z, 'no id! life 1')
  t.strictSame([...await b.read()], [[X, holder('a')]])
  t.equal(await b.move(Y, undefined, holder('b')), true)
  for (const how of ['gone', 'of another type']) {
    await a.read()
    await raw.del(key)
    if (how !== 'gone') await raw.set(key, 'a string')
    t.strictSame([...await a.read()], [], how)
    t.equal(await a.move(X, undefined, holder('a')), true)
    t.strictSame([...await a.read()], [[X, holder('a')]])
  }
})
