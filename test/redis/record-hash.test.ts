import t from 'tap'
import { FORMAT, OLDEST_READER } from '../../lib/format.ts'
import { formerOwnerFields, fromHash, ownerFields, toHash } from '../../lib/redis/record-hash.ts'
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
  adoptionFailures: '2',
  owner: 'e 1 1',
  reader: '0'
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
    owner: { format: 1, reached: true },
    reader: 0,
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

const fieldsOf = (flat: string[]) => Object.fromEntries(flat.flatMap((field, i) => i % 2 === 0 ? [[field, flat[i + 1]!]] : []))

t.test('a record says what its owner is, and who may read it', async t => {
  const node = identity('a', 'http://10.0.0.1:3000')
  const ours = { ...fieldsOf(ownerFields(node)), epoch: node.epoch }
  t.match(read(ours), { owner: { format: FORMAT, reached: false }, reader: OLDEST_READER, url: node.url })
  // A node of format 0 that takes it over writes neither, and leaves what is there.
  const theirs = read({ ...ours, node: 'b', epoch: 'f.0' })
  t.equal(theirs.owner, undefined)
  t.equal(theirs.reader, OLDEST_READER, 'who may read it is a matter of what is in it')
  for (const owner of ['', 'e', 'e 1', 'e x 1', ' 1 0', 'e -1 0', 'e. 1 0', 'e 9999999999 0', 'e 1 2']) t.equal(read({ owner }).owner, undefined, owner)
  for (const reader of ['', '-1', '1.5', 'x', '9999999999', '1e3']) t.equal(read({ reader }).reader, undefined, reader)
})

t.test('what an owner said of itself can be put back', async t => {
  const node = { ...identity('a', 'http://10.0.0.1:3000'), reached: true }
  const claimed = read({ ...fieldsOf(ownerFields(node)), node: 'a', epoch: node.epoch })
  t.strictSame(formerOwnerFields(claimed), ownerFields(node))
  t.strictSame(formerOwnerFields({ ...claimed, url: undefined, owner: undefined, reader: undefined }), ['url', '', 'owner', '', 'reader', ''])
})
