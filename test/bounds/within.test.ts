import t from 'tap'
import { within } from '../../lib/bounds/within.ts'

t.test('ends with the work, or at the bound', async t => {
  let done = false
  await within(60_000, Promise.resolve().then(() => { done = true }))
  t.ok(done)
  await within(1, new Promise(() => {}))
  await within(-5, new Promise(() => {}))
})

t.test('an error in time is the waiter\'s', async t => {
  await t.rejects(within(60_000, Promise.reject(new Error('no'))), /no/)
})
