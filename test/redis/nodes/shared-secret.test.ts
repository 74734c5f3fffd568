import t from 'tap'
import type { Link } from '../../../lib/redis/link/link.ts'
import { redisKeys } from '../../../lib/redis/keys.ts'
import { SharedSecret } from '../../../lib/redis/nodes/shared-secret.ts'
import type { SecretKeeper } from '../../../lib/redis/nodes/shared-secret.ts'

/** `found`: what Redis has, look by look. */
function setUp (found: Array<() => unknown>) {
  const asked: string[][] = []
  const learnt: unknown[] = []
  const failures: any[] = []
  const link = {
    run: async (_script: unknown, key: string, args: string[]) => {
      asked.push([key, ...args])
      return found.shift()!()
    }
  } as unknown as Link
  const keeper: SecretKeeper = {
    candidate: () => 'candidate',
    learn: (secret: unknown) => {
      learnt.push(secret)
      return secret === 'secret'
    }
  }
  return { asked, learnt, failures, keeper, shared: new SharedSecret({ link, keys: redisKeys('p:'), keeper, onFailed: err => failures.push(err) }) }
}

t.test('what is there is learnt', async t => {
  const { asked, learnt, failures, shared } = setUp([() => 'secret'])
  await shared.look()
  t.strictSame([asked, learnt, failures], [[['p:secret', 'candidate', '']], ['secret'], []])
})

t.test('a value that is none is replaced, and no other', async t => {
  const { asked, failures, shared } = setUp([() => 5, () => 'secret'])
  await shared.look()
  t.strictSame([asked[1], failures], [['p:secret', 'candidate', '5'], []])
})

t.test('what cannot be learnt, or asked for, is told and nothing more', async t => {
  const none = setUp([() => 'a', () => 'b'])
  await none.shared.look()
  t.match(none.failures, [{ message: /cannot be read/ }])
  const away = setUp([() => { throw new Error('away') }])
  await away.shared.look()
  t.match([away.failures, away.learnt], [[{ message: 'away' }], []])
})

t.test('who meets one that is not known looks again; all at once share a look, and there are not many a second', async t => {
  const plenty = setUp(Array.from({ length: 100 }, () => () => 'secret'))
  t.strictSame(await Promise.all(Array.from({ length: 50 }, () => plenty.keeper.renew!())), Array(50).fill(true))
  t.equal(plenty.asked.length, 1)
  const told: boolean[] = []
  for (let i = 0; i < 50; i++) told.push(await plenty.keeper.renew!())
  t.ok(plenty.asked.length < 20, `${plenty.asked.length} looks`)
  t.strictSame([told[0], told.at(-1)], [true, false])
})

t.test('a look that tells nothing says so', async t => {
  const away = setUp([() => { throw new Error('away') }, () => 'a', () => 'b', () => 'secret'])
  t.strictSame([await away.keeper.renew!(), await away.keeper.renew!(), await away.keeper.renew!()], [false, false, true])
  t.match(away.failures, [{ message: 'away' }, { message: /cannot be read/ }])
})
