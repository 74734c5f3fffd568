import t from 'tap'
import { Limiter } from '../../lib/bounds/limiter.ts'

t.test('so many at once, the rest in order, and a failure frees its place', async t => {
  const limiter = new Limiter(2)
  const begun: number[] = []
  const ends: Array<(error?: Error) => void> = []
  const outcomes = Array.from({ length: 5 }, (_, i) => limiter.run(() => {
    begun.push(i)
    return new Promise<number>((resolve, reject) => ends.push(error => error === undefined ? resolve(i) : reject(error)))
  }))
  const settled = Promise.allSettled(outcomes)
  t.strictSame(begun, [0, 1])
  ends[1]!(new Error('failed'))
  await t.rejects(outcomes[1]!, { message: 'failed' })
  t.strictSame(begun, [0, 1, 2])
  for (const end of [0, 2]) ends[end]!()
  await Promise.all([outcomes[0], outcomes[2]])
  t.strictSame(begun, [0, 1, 2, 3, 4])
  for (const end of [3, 4]) ends[end]!()
  t.strictSame((await settled).map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
  t.equal(await limiter.run(async () => 'free again'), 'free again')
})

t.test('a place that becomes free is the first waiter\'s, not a newcomer\'s', async t => {
  const limiter = new Limiter(1)
  const begun: string[] = []
  const task = (name: string) => async () => { begun.push(name) }
  const first = limiter.run(task('first'))
  const waiting = limiter.run(task('waiting'))
  await first
  const late = limiter.run(task('late'))
  await Promise.all([waiting, late])
  t.strictSame(begun, ['first', 'waiting', 'late'])
})

t.test('a task that throws before it is a promise frees its place', async t => {
  const limiter = new Limiter(1)
  await t.rejects(limiter.run(() => { throw new Error('at once') }), { message: 'at once' })
  t.equal(await limiter.run(async () => 'free again'), 'free again')
})

t.test('a long line is kept in order, and when it is over everything is free', async t => {
  const limiter = new Limiter(3)
  const size = 200_000
  const order: number[] = []
  let [running, most] = [0, 0]
  await Promise.all(Array.from({ length: size }, (_, i) => limiter.run(async () => {
    order.push(i)
    most = Math.max(most, ++running)
    await undefined
    running--
  })))
  t.equal(most, 3)
  t.equal(order.length, size)
  t.ok(order.every((place, i) => place === i))
  const begun: number[] = []
  const ends: Array<() => void> = []
  const four = [0, 1, 2, 3].map(i => limiter.run(() => {
    begun.push(i)
    return new Promise<void>(resolve => ends.push(resolve))
  }))
  t.strictSame(begun, [0, 1, 2])
  ends[0]!()
  await four[0]
  t.strictSame(begun, [0, 1, 2, 3])
  for (const end of ends) end()
  await Promise.all(four)
})
