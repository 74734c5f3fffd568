import t from 'tap'
import { Delegation } from '../../lib/affinity/delegation.ts'
import type { NodeStatus } from '../../lib/directory/node.ts'
import { DirectoryUnavailableError } from '../../lib/errors.ts'
import { hopsWith, requestTo } from '../fixtures/hops.ts'

const node = (id: string, room: number, more: Partial<NodeStatus> = {}): NodeStatus => ({ id, url: `http://${id}`, tag: '', state: 'up', sessions: 0, room, format: 1, endpoints: { default: '/mcp' }, ...more })

/** `outcomes`: of passing the request on, one after the other. */
function setUp (nodes: () => NodeStatus[], outcomes: unknown[] = []) {
  const { hops, passed } = hopsWith(outcomes)
  return { passed, delegation: new Delegation({ endpoint: 'default', hops, directory: { nodes: async () => nodes() }, node: { id: 'self', url: 'http://self' } }) }
}

const REQUEST = requestTo()

t.test('those that may take a session are others that have room, most of it first', async t => {
  const { delegation } = setUp(() => [
    node('self', 99), node('ours', 99, { url: 'http://self' }), node('urlless', 99, { url: undefined }), node('leaving', 99, { state: 'draining' }), node('full', 0),
    node('old', 99, { format: 0 }), node('some', 5), node('busy', 10, { sessions: 2 }), node('idle', 10), node('little', 1)
  ])
  t.strictSame((await delegation.candidates(1)).map(({ id }) => id), ['idle', 'busy', 'some'], 'three at most')
  t.equal((await delegation.candidates(0))[0]!.id, 'old')
})

t.test('while the directory is away there are none', async t => {
  t.strictSame(await setUp(() => { throw new DirectoryUnavailableError('away') }).delegation.candidates(0), [])
  await t.rejects(setUp(() => { throw new Error('a fault') }).delegation.candidates(0), { message: 'a fault' })
})

t.test('one after the other is asked, until one answers', async t => {
  const nodes = () => [node('a', 3), node('b', 2), node('c', 1)]
  const answered = setUp(nodes, [{ outcome: 'unreachable' }, { outcome: 'answered' }])
  t.strictSame([await answered.delegation.delegate(REQUEST), answered.passed], [{ do: 'nothing' }, ['http://a', 'http://b']])
  const none = setUp(nodes, [{ outcome: 'declined', status: 421 }])
  t.strictSame([await none.delegation.delegate(REQUEST), none.passed.length], [undefined, 3])
})

t.test('what may have taken effect, or fits nowhere, goes to nobody else', async t => {
  const nodes = () => [node('a', 3), node('b', 2)]
  for (const [outcome, reason] of [[{ outcome: 'lost', error: new Error('gone') }, 'owner_lost'], [{ outcome: 'declined', status: 431 }, 'headers_too_large']] as const) {
    const { delegation, passed } = setUp(nodes, [outcome])
    t.match(await delegation.delegate(REQUEST), { do: 'refuse', reason })
    t.equal(passed.length, 1)
  }
})

t.test('what came from another node goes no further', async t => {
  const { delegation, passed } = setUp(() => [node('a', 3)])
  t.strictSame([await delegation.delegate(requestTo({ hop: true })), passed], [undefined, []])
})

t.test('those that lack the endpoint take none of its sessions', async t => {
  const { delegation } = setUp(() => [node('without', 99, { endpoints: { admin: '/mcp/admin' } }), node('with', 1)])
  t.strictSame((await delegation.candidates(0)).map(({ id }) => id), ['with'])
})
