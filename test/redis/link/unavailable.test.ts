import t from 'tap'
import { NoAnswer } from '../../../lib/redis/link/bounded.ts'
import { orUnavailable, unavailable } from '../../../lib/redis/link/unavailable.ts'

const code = 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE'

t.test('it is to be tried again in whole seconds, one at least', async t => {
  t.strictSame([undefined, 0, -5, 1, 1000, 1001].map(milliseconds => unavailable('why', milliseconds).retryAfter), [1, 1, 1, 1, 1, 2])
})

t.test('what Redis does not do is unavailable, without the command', async t => {
  const refusal = Object.assign(new Error('NOPERM'), { name: 'ReplyError', command: { args: ['a whole session id'] } })
  for (const error of [new NoAnswer('no answer'), refusal]) {
    const thrown = await orUnavailable(Promise.reject(error)).then(() => undefined, thrown => thrown)
    t.match(thrown, { code, message: new RegExp(error.message) })
    t.strictSame([thrown.cause, thrown.command], [undefined, undefined])
  }
  t.equal(await orUnavailable(Promise.resolve(1)), 1)
})

t.test('a fault of ours is one', async t => {
  await t.rejects(orUnavailable(Promise.reject(new TypeError('ours'))), { name: 'TypeError' })
})
