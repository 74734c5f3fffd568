import t from 'tap'
import { NoAnswer } from '../../../lib/redis/link/bounded.ts'
import { isRefusal } from '../../../lib/redis/link/redis-refusal.ts'

const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })

t.test('what Redis says that it does not do is a refusal, but for a key of another type', async t => {
  for (const message of ['READONLY it is', 'OOM too full', 'NOPERM not you', 'ERR whatever']) t.equal(isRefusal(reply(message)), true, message)
  for (const message of ['WRONGTYPE of another', 'ERR in a script: WRONGTYPE of another']) t.equal(isRefusal(reply(message)), false, message)
  for (const error of [new NoAnswer('READONLY'), new Error('READONLY'), { name: 'ReplyError' }, undefined]) t.equal(isRefusal(error), false)
})
