import t from 'tap'
import { IndexLook } from '../../../lib/redis/finding/index-look.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import type { Call, Link } from '../../../lib/redis/link/link.ts'

// What gathers ids keeps no process alive.
const alive = setInterval(() => {}, 1000)
t.teardown(() => clearInterval(alive))

/** `indexes`: by node, the sessions that its index has; none: it cannot be read. */
function setUp (indexes: Record<string, string[] | undefined>) {
  const keys = redisKeys('p:')
  const looks: Array<[key: string, ids: string[]]> = []
  const link = {
    all: async (calls: Call[]) => Promise.allSettled(calls.map(async ({ key, args = [] }) => {
      looks.push([key, args])
      const has = Object.entries(indexes).find(([node]) => keys.index(node) === key)![1]
      if (has === undefined) throw new Error('no index')
      return args.filter(id => has.includes(id))
    }))
  } as unknown as Link
  return { looks, look: new IndexLook({ link, keys, registry: { ids: async () => Object.keys(indexes) } }) }
}

t.test('ids that are wanted together cost a command a node', async t => {
  const { looks, look } = setUp({ a: ['x'], dead: ['y'] })
  t.strictSame(await Promise.all(['x', 'y', 'z'].map(id => look.has(id))), [true, true, false])
  t.strictSame(looks, [['p:node:a:sessions', ['x', 'y', 'z']], ['p:node:dead:sessions', ['x', 'y', 'z']]])
})

t.test('where an index cannot be read nobody is called absent', async t => {
  const { look } = setUp({ a: [], b: undefined })
  await t.rejects(look.has('x'), { message: 'no index' })
})
