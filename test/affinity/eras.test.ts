import t from 'tap'
import { Eras } from '../../lib/affinity/eras.ts'
import type { Peer } from '../../lib/directory/tag-table.ts'
import { DirectoryUnavailableError } from '../../lib/errors.ts'
import { hopsWith, requestTo } from '../fixtures/hops.ts'

const peer = (id: string, more: Partial<Peer> = {}): Peer => ({
  id, url: `http://${id}`, tag: '', tags: [], tagged: {}, state: 'up', sessions: 0, room: 1, format: 2, incarnation: 'i', started: 0, endpoints: { default: '/mcp' }, stateless: ['default'], ...more
})
const off = { stateless: [] }

/** `outcomes`: of passing the request on, one after the other. */
function setUp (peers: () => Peer[], outcomes: unknown[] = [], unannounced: string[] = []) {
  const { hops, passed } = hopsWith(outcomes)
  return { passed, eras: new Eras({ endpoint: 'default', hops, directory: { peers: async () => peers() }, node: { id: 'self', url: 'http://self', unannounced } }) }
}

const REQUEST = requestTo()

t.test('it is announced when all nodes of the endpoint serve it', async t => {
  t.equal(await setUp(() => [peer('self'), peer('a')]).eras.announced(), true)
  t.equal(await setUp(() => [peer('self'), peer('a', off)]).eras.announced(), false)
  t.equal(await setUp(() => [peer('self'), peer('old', { stateless: undefined as never })]).eras.announced(), false, 'one of before')
  t.equal(await setUp(() => [peer('self'), peer('leaving', { ...off, state: 'draining' })]).eras.announced(), false, 'one that leaves may still be asked')
  t.equal(await setUp(() => [peer('self'), peer('a', { ...off, endpoints: { admin: '/admin' } })]).eras.announced(), true, 'one without the endpoint is never asked')
})

t.test('one node that serves it and does not say so is enough for nobody to hear of it', async t => {
  t.equal(await setUp(() => [peer('self'), peer('a', { unannounced: ['default'] })]).eras.announced(), false)
  t.equal(await setUp(() => [peer('self'), peer('a', { unannounced: ['default'], state: 'draining' })]).eras.announced(), false)
  t.equal(await setUp(() => [peer('self'), peer('a', { unannounced: ['admin'] })]).eras.announced(), true, 'it is another endpoint of which nobody hears')
  t.equal(await setUp(() => [peer('self'), peer('a')], [], ['default']).eras.announced(), false, 'this one, whose own place may be read late')
  t.equal(await setUp(() => [peer('self'), peer('a')], [], ['admin']).eras.announced(), true)
})

t.test('what is not said is served all the same', async t => {
  const { eras, passed } = setUp(() => [peer('a', { unannounced: ['default'] })], [{ outcome: 'answered' }])
  t.strictSame([await eras.pass(REQUEST), passed], [{ do: 'nothing' }, ['http://a']])
})

t.test('while nothing can be read it is as it was', async t => {
  let peers = (): Peer[] => { throw new DirectoryUnavailableError('away') }
  const { eras } = setUp(() => peers())
  t.equal(await eras.announced(), false)
  peers = () => [peer('self')]
  t.equal(await eras.announced(), true)
  peers = () => { throw new DirectoryUnavailableError('away') }
  t.equal(await eras.announced(), true)
  peers = () => { throw new Error('a fault') }
  await t.rejects(eras.announced(), { message: 'a fault' })
})

t.test('a call goes to a node that serves it, and to the next where that is not so any more', async t => {
  const nodes = () => [peer('self'), peer('ours', { url: 'http://self' }), peer('urlless', { url: undefined }), peer('leaving', { state: 'draining' }), peer('off', off), peer('a'), peer('b')]
  const { eras, passed } = setUp(nodes, [{ outcome: 'declined', status: 421 }, { outcome: 'answered' }])
  t.strictSame(await eras.pass(REQUEST), { do: 'nothing' })
  t.strictSame(passed.sort(), ['http://a', 'http://b'])
  const none = setUp(nodes)
  t.strictSame([await none.eras.pass(REQUEST), none.passed.length], [undefined, 2])
})

t.test('what may have taken effect, or fits nowhere, goes to nobody else', async t => {
  for (const [outcome, reason] of [[{ outcome: 'lost', error: new Error('gone') }, 'owner_lost'], [{ outcome: 'declined', status: 431 }, 'headers_too_large']] as const) {
    const { eras, passed } = setUp(() => [peer('a'), peer('b')], [outcome])
    t.match(await eras.pass(REQUEST), { do: 'refuse', reason })
    t.equal(passed.length, 1)
  }
})

t.test('what came from another node goes no further, and while the directory is away nothing does', async t => {
  const { eras, passed } = setUp(() => [peer('a')])
  t.strictSame([await eras.pass(requestTo({ hop: true })), passed], [undefined, []])
  t.equal(await setUp(() => { throw new DirectoryUnavailableError('away') }).eras.pass(REQUEST), undefined)
  await t.rejects(setUp(() => { throw new Error('a fault') }).eras.pass(REQUEST), { message: 'a fault' })
})
