import t from 'tap'
import { Gather } from '../../lib/bounds/gather.ts'

t.test('ids of one turn are worked on together, each once, and each asker has its own outcome', async t => {
  const rounds: string[][] = []
  const gather = new Gather(async ids => {
    rounds.push(ids)
    return id => id.toUpperCase()
  })
  t.strictSame(await Promise.all([gather.ask('a'), gather.ask('b'), gather.ask('a')]), ['A', 'B', 'A'])
  t.strictSame(rounds, [['a', 'b']])
  t.equal(await gather.ask('a'), 'A')
  t.strictSame(rounds, [['a', 'b'], ['a']], 'what was found is not remembered')
})

t.test('who comes while a round is worked on is of the next', async t => {
  const rounds: string[][] = []
  let finish = (): void => {}
  const gather = new Gather(async ids => {
    rounds.push(ids)
    if (rounds.length === 1) await new Promise<void>(resolve => { finish = resolve })
    return () => rounds.length
  })
  const first = gather.ask('a')
  await new Promise(resolve => { setImmediate(resolve) })
  t.strictSame(rounds, [['a']])
  t.equal(await gather.ask('a'), 2)
  finish()
  await first
  t.strictSame(rounds, [['a'], ['a']])
})

t.test('so many at once, and no more', async t => {
  const sizes: number[] = []
  const gather = new Gather(async ids => {
    sizes.push(ids.length)
    return id => id
  }, 1)
  // Its timer alone keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  const ids = Array.from({ length: 1001 }, (_, i) => String(i))
  t.strictSame(await Promise.all(ids.map(id => gather.ask(id))), ids)
  t.strictSame(sizes, [500, 500, 1])
})

t.test('work that fails is told to all who asked, and the next round is another', async t => {
  let fails = true
  const gather = new Gather(async () => {
    if (fails) throw new Error('no')
    return id => id
  })
  const asked = await Promise.allSettled([gather.ask('a'), gather.ask('b')])
  t.strictSame(asked.map(({ status }) => status), ['rejected', 'rejected'])
  fails = false
  t.equal(await gather.ask('a'), 'a')
})
