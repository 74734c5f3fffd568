import t from 'tap'
import { LocalSession } from '../../lib/sessions/session.ts'

function session (more: object = {}) {
  const changes: string[] = []
  const transport = { protocolVersion: '2025-06-18', remembered: { logLevel: 'info', subscriptions: ['a'] } }
  const made = new LocalSession({
    id: 'x', transport, server: {}, principal: 'ann', principalKey: 'key of ann', clientInfo: { name: 'n', version: 'v' }, createdAt: 5, changed: (id: string) => changes.push(id), ...more
  } as never)
  return { made, changes }
}

t.test('its state is a copy, and told when it is another', async t => {
  const { made, changes } = session()
  t.equal(made.state, undefined)
  const state = { step: 1 }
  made.state = state
  state.step = 2
  t.strictSame(made.state, { step: 1 })
  made.state = { step: 1 }
  t.strictSame(changes, ['x'], 'the same again is no change')
  made.state = undefined
  t.strictSame([made.state, changes.length], [undefined, 2])
})

t.test('what a record cannot carry is no state, and changes none', async t => {
  const { made, changes } = session({ state: '"a"' })
  const circle: { self?: object } = {}
  circle.self = circle
  for (const wrong of [() => {}, Symbol('a'), 1n, circle, 'x'.repeat(8191), 'ü'.repeat(4096)]) {
    t.throws(() => { made.state = wrong }, { code: 'MCP_STICKY_ERR_STATE' })
  }
  t.strictSame([made.state, changes], ['a', []])
  made.state = 'x'.repeat(8190)
  t.equal(changes.length, 1, 'up to 8 KiB with its quotes')
})

t.test('its record says what an adopter has to repeat, where there may be one', async t => {
  const known = { id: 'x', createdAt: 5, protocolVersion: '2025-06-18', clientInfo: { name: 'n', version: 'v' }, principal: 'key of ann' }
  t.strictSame(session().made.record(), { ...known, replay: undefined, state: undefined })
  const { made } = session({ initialize: '{}', state: '[1]' })
  t.strictSame(made.record(), { ...known, replay: { initialize: '{}', logLevel: 'info', subscriptions: ['a'] }, state: '[1]' })
})
