import t from 'tap'
import { fromHash, toHash } from '../../lib/redis/record-hash.ts'
import { FakeNode, identity } from '../fixtures/directory-node.ts'

const WHOLE = {
  node: 'a',
  epoch: 'e.1',
  createdAt: '1',
  lastSeenAt: '2',
  protocolVersion: '2025-11-25',
  clientInfo: '{"name":"n","version":"1"}',
  principal: 'p',
  url: 'http://10.0.0.1:3000',
  formerly: 'b,c',
  initialize: '{"x":1}',
  logLevel: 'debug',
  subscriptions: '["u"]',
  state: '[1]',
  adoptionFailures: '2'
}

const read = (fields: Record<string, string>) => fromHash('id', Object.entries({ ...WHOLE, ...fields }).flat())!

t.test('a record comes out of its hash', async t => {
  t.strictSame(read({ released: '1' }), {
    id: 'id',
    node: 'a',
    epoch: 'e.1',
    createdAt: 1,
    lastSeenAt: 2,
    protocolVersion: '2025-11-25',
    clientInfo: { name: 'n', version: '1' },
    principal: 'p',
    url: 'http://10.0.0.1:3000',
    released: true,
    formerly: ['b', 'c'],
    replay: { initialize: '{"x":1}', logLevel: 'debug', subscriptions: ['u'] },
    state: '[1]',
    adoptionFailures: 2,
    adoptionPause: 0
  })
  t.equal(fromHash('id', []), undefined)
})

t.test('an adoption that failed leaves a pause, however wrong the clocks are', async t => {
  for (const [ago, pause] of [['0', 30_000], ['29000', 1000], ['30000', 0], ['-3600000', 30_000], ['x', 30_000]] as const) {
    t.equal(read({ adoptionFailedAgo: ago }).adoptionPause, pause, ago)
  }
})

t.test('fields that make no sense are dropped, and spoil nothing else', async t => {
  for (const initialize of ['', '{', 'null', '[]', '"x"', '1']) t.equal(read({ initialize }).replay, undefined, initialize)
  for (const subscriptions of ['', '{', 'null', '{}', '[1]', '"u"']) t.equal(read({ subscriptions }).replay, undefined, subscriptions)
  for (const clientInfo of ['', '{', 'null', '[]', '7', '{"name":1,"version":{}}']) t.strictSame(read({ clientInfo }).clientInfo, { name: '', version: '' }, clientInfo)
  for (const state of ['', '{', 'undefined']) t.equal(read({ state }).state, undefined, state)
  t.match(read({ createdAt: 'x', lastSeenAt: 'Infinity', adoptionFailures: 'NaN' }), { createdAt: 0, lastSeenAt: 0, adoptionFailures: 0, node: 'a', principal: 'p' })
  t.match(fromHash('id', ['node', 'a']), { node: 'a', epoch: '', clientInfo: { name: '', version: '' }, replay: undefined, adoptionFailures: 0 })
})

t.test('what a session has not is an empty value, which deletes', async t => {
  const { replay, ...rest } = new FakeNode(identity('a')).open()
  const fields = toHash(rest)
  const values = Object.fromEntries(fields.flatMap((field, i) => i % 2 === 0 ? [[field, fields[i + 1]]] : []))
  t.match(values, { principal: '', initialize: '', logLevel: '', subscriptions: '', state: '' })
  t.ok(replay)
})
