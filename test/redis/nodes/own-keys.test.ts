import t from 'tap'
import type { Test } from 'tap'
import type { LocalNode } from '../../../lib/directory/directory.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import type { Link } from '../../../lib/redis/link/link.ts'
import { Unreadable } from '../../../lib/redis/link/unreadable.ts'
import { OwnKeys } from '../../../lib/redis/nodes/own-keys.ts'
import { completeIndex, countIndex, pageIndex } from '../../../lib/redis/scripts/record-scripts.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { keptLog } from '../../fixtures/log.ts'

/** `indexed`: how many sessions Redis says that the index has. */
function setUp (t: Test, { ids = ['x', 'y'], indexed = 0, left = [] as string[], ours = true }) {
  const { now } = performance
  let time = 1000
  performance.now = () => time
  t.teardown(() => { performance.now = now })
  const done: unknown[] = []
  const here = new Set(ids)
  const link = {
    run: async (script: unknown, key: string, args: string[] = []) => {
      t.equal(key, 'p:node:a:sessions')
      if (script === countIndex) return indexed
      if (script === pageIndex) return left
      if (script === completeIndex) done.push(['complete', ...args.slice(1)])
    }
  } as unknown as Link
  const ownKeys = new OwnKeys({
    link,
    keys: redisKeys('p:'),
    node: identity('a'),
    local: { size: ids.length, ids: () => ids, has: (id: string) => here.has(id) } as unknown as LocalNode,
    registry: {
      withdraw: async (left: boolean) => {
        done.push(left ? 'its id stays' : 'its id goes')
        return ours
      }
    },
    loads: { drop: async () => { done.push('load') } },
    closeSet: { delete: async () => { done.push('close set') } },
    unreadable: new Unreadable(keptLog()),
    heartbeat: 100
  })
  return { ownKeys, here, done, turn: () => { time += 100; return ownKeys.turn() } }
}

t.test('once a beat, however often it is called', async t => {
  const { ownKeys, done, turn } = setUp(t, {})
  t.strictSame([await turn(), await ownKeys.turn(), await ownKeys.turn()], [true, false, false])
  t.strictSame(done, [])
  t.equal(await turn(), true)
  t.equal(done.length, 1, 'the index was short twice')
})

t.test('an index that stays short is completed with what is here', async t => {
  const { here, done, turn } = setUp(t, { indexed: 1 })
  await turn()
  t.strictSame(done, [], 'each is here a moment before it is there')
  here.delete('y')
  await turn()
  t.strictSame(done, [['complete', 'x']])
  await turn()
  t.equal(done.length, 1, 'then it has its time again')
})

t.test('one that has all of them is left alone', async t => {
  const { done, turn } = setUp(t, { indexed: 2 })
  for (let i = 0; i < 4; i++) await turn()
  t.strictSame(done, [])
})

t.test('a node that stops writes nothing any more, and takes away what is its own', async t => {
  const { ownKeys, done, turn } = setUp(t, {})
  ownKeys.stop()
  t.equal(await turn(), false)
  await ownKeys.withdraw()
  t.strictSame(done, ['its id goes', 'close set', 'load'])
})

t.test('its id stays while sessions of it are left, and all of it where another has its place', async t => {
  const left = setUp(t, { left: ['x'] })
  await left.ownKeys.withdraw()
  t.strictSame(left.done, ['its id stays', 'close set', 'load'])
  const lost = setUp(t, { ours: false })
  await lost.ownKeys.withdraw()
  t.strictSame(lost.done, ['its id goes'])
})
