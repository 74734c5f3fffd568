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
