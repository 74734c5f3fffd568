import t from 'tap'
import { Opening } from '../../../lib/transport/calls/opening.ts'

function setUp () {
  const told: unknown[] = []
  return { told, opening: new Opening({ onInitialized: result => { told.push(result) }, onInitializeFailed: () => { told.push('failed') } }) }
}

t.test('one of the two is told, once', async t => {
  for (const first of ['accepted', 'refused'] as const) {
    const { told, opening } = setUp()
    if (first === 'accepted') await opening.accepted({ a: 1 })
    else opening.refused()
    await opening.accepted({ a: 2 })
    opening.refused()
    t.strictSame(told, [first === 'accepted' ? { a: 1 } : 'failed'])
  }
})

t.test('who accepts waits for it, and its failure is told', async t => {
  let done = (): void => {}
  const opening = new Opening({ onInitialized: () => new Promise(resolve => { done = resolve }) })
  let accepted = false
  const accepts = opening.accepted({}).then(() => { accepted = true })
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(accepted, false)
  done()
  await accepts
  await t.rejects(new Opening({ onInitialized: async () => { throw new Error('no') } }).accepted({}), { message: 'no' })
})

t.test('a replay tells nobody', async t => {
  await new Opening({}).accepted({})
  new Opening({}).refused()
  t.pass('nothing is thrown')
})
