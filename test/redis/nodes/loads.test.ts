import t from 'tap'
import { BEATS } from '../../../lib/beats.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import type { Link } from '../../../lib/redis/link/link.ts'
import { Unreadable } from '../../../lib/redis/link/unreadable.ts'
import { Loads } from '../../../lib/redis/nodes/loads.ts'
import { dropLoads, putLoad, readLoads } from '../../../lib/redis/scripts/member-scripts.ts'
import { keptLog } from '../../fixtures/log.ts'

/** `there`: the answer to whoever reads; an error is thrown. */
function setUp (there: string[] | Error = []) {
  const written: unknown[] = []
  const log = keptLog()
  let fails = false
  const link = {
    run: async (script: unknown, key: string, args: string[] = []) => {
      t.equal(key, 'p:loads')
      if (fails) throw new Error('away')
      if (script === putLoad || script === dropLoads) written.push([script === putLoad ? 'put' : 'drop', ...args])
      if (script !== readLoads) return
      if (there instanceof Error) throw there
      return there
    }
  } as unknown as Link
  const loads = new Loads({ heartbeat: 0, link, keys: redisKeys('p:'), node: { id: 'a' }, unreadable: new Unreadable(log) })
  return { written, log, loads, fail: (now: boolean) => { fails = now } }
}

t.test('a load is written when it changes, and now and then', async t => {
  const { written, loads } = setUp()
  const load = { sessions: 1, room: Infinity, tags: { x: 1 } }
  for (let beat = 0; beat < BEATS.all; beat++) await loads.turn(load)
  t.strictSame(written, [['put', 'a', '[1,null,{"x":1}]']])
  await loads.turn(load)
  t.equal(written.length, 2, 'an eviction may have taken it')
  await loads.turn({ ...load, sessions: 2 })
  t.equal(written.length, 3)
})

t.test('what could not be written is due', async t => {
  const { written, loads, fail } = setUp()
  fail(true)
  await t.rejects(loads.turn({ sessions: 1, room: 1 }), { message: 'away' })
  fail(false)
  await loads.turn({ sessions: 1, room: 1 })
  t.strictSame(written, [['put', 'a', '[1,1,null]']])
})

t.test('what others have written is read, and what makes no sense is left out', async t => {
  const { loads } = setUp(['b', '[3,null,{"x":2,"y":"many"}]', 'c', '[1,2]', 'd', '{}', 'e', 'no JSON', 'f', '[-1,2]', 'g', '[1,"room"]', 'h', '[1]'])
  t.strictSame([...await loads.read()], [['b', { sessions: 3, room: Infinity, tags: { x: 2 } }], ['c', { sessions: 1, room: 2, tags: {} }]])
})

t.test('a key of another type is none, and what Redis refuses is told', async t => {
  const { loads, log } = setUp(Object.assign(new Error('WRONGTYPE'), { name: 'ReplyError' }))
  t.equal((await loads.read()).size, 0)
  t.match(log.lines, [{ level: 'warn' }])
  await t.rejects(setUp(new Error('away')).loads.read(), { message: 'away' })
})

t.test('a node takes its own away, and a sweeper those of others', async t => {
  const { written, loads } = setUp()
  await loads.drop()
  await loads.drop(['b', 'c'])
  t.strictSame(written, [['drop', 'a'], ['drop', 'b', 'c']])
})
