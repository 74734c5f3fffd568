import t from 'tap'
import { Heirs } from '../../lib/affinity/heirs.ts'
import type { HeirsParts } from '../../lib/affinity/heirs.ts'
import { memorySpace, memoryTags } from '../../lib/directory/memory-space.ts'
import type { Peer } from '../../lib/directory/tag-table.ts'
import { DirectoryUnavailableError } from '../../lib/errors.ts'
import { newSessionId } from '../../lib/session-id.ts'
import { identity } from '../fixtures/directory-node.ts'
import { keptLog } from '../fixtures/log.ts'

const TAG = '0123456789abcdef'

/** This node, 'here', and others; `answers`: what they say when they are asked to take sessions. */
function setUp (answers: Record<string, boolean> = {}, others: Array<Partial<Peer> & { id: string }> = [{ id: 'a' }, { id: 'b' }]) {
  const node = identity('here', 'http://here')
  const peer = (more: Partial<Peer> & { id: string }): Peer => ({
    url: `http://${more.id}`, tag: 't', tags: [], tagged: {}, state: 'up', sessions: 1, room: 100, format: 2, endpoints: { default: '/mcp' }, incarnation: `i${more.id}`, started: 0, ...more
  })
  const peers = [peer({ id: 'here', sessions: 5, incarnation: node.incarnation }), ...others.map(peer)]
  const tags = memoryTags(memorySpace())
  const sessions = { state: 'open' as HeirsParts['sessions']['state'], room: 100, roomAt: (_endpoint: string): number => sessions.room, tagged: {} as Record<string, number> }
  const asked: string[] = []
  const parts: HeirsParts = {
    node,
    sessions,
    directory: { tags, peers: async () => peers },
    ask: async url => { asked.push(url); return answers[new URL(url).hostname] ?? true },
    log: keptLog() as never
  }
  const hold = (tag: string, holder: string, promised = 0): Promise<boolean> =>
    tags.move(tag, tags.latest().get(tag), { node: holder, incarnation: holder === 'here' ? node.incarnation : `i${holder}`, promised })
  return { heirs: new Heirs(parts), parts, node, peers, tags, sessions, asked, hold, holder: (tag = TAG) => tags.latest().get(tag)?.node }
}

t.test('place: the holder is asked, and has the session after its yes', async t => {
  const { heirs, asked, hold } = setUp()
  await hold(TAG, 'b')
  t.match(await heirs.place(newSessionId(TAG), 'default', new Set()), { id: 'b' })
  t.strictSame(asked, ['http://b'])
})

t.test('place: where this node is the holder nobody is asked', async t => {
  const { heirs, asked, hold } = setUp()
  await hold(TAG, 'here')
  t.equal(await heirs.place(newSessionId(TAG), 'default', new Set()), undefined)
  t.strictSame(asked, [])
})

t.test('place: where nobody holds its tag an heir is named, this node perhaps', async t => {
  const { heirs, peers, holder, hold } = setUp()
  await hold(TAG, 'dead')
  t.match(await heirs.place(newSessionId(TAG), 'default', new Set()), { id: 'a' })
  t.equal(holder(), 'a')
  await hold(TAG, 'dead')
  peers[0] = { ...peers[0]!, sessions: 0 }
  t.equal(await heirs.place(newSessionId(TAG), 'default', new Set()), undefined)
  t.equal(holder(), 'here')
})

t.test('place: who says no, or nothing, holds it no longer', async t => {
  const { heirs, asked, holder, hold } = setUp({ a: false })
  await hold(TAG, 'a')
  const tried = new Set<string>()
  t.match(await heirs.place(newSessionId(TAG), 'default', tried), { id: 'b' })
  t.strictSame([holder(), [...tried], asked], ['b', ['a'], ['http://a', 'http://b']])
})

t.test('place: when all have said no it is here', async t => {
  const { heirs, holder, hold } = setUp({ a: false, b: false })
  await hold(TAG, 'a')
  t.equal(await heirs.place(newSessionId(TAG), 'default', new Set()), undefined)
  t.equal(holder(), 'here')
})

t.test('place: a node that goes, or is full, is not its own heir', async t => {
  for (const [state, room] of [['draining', 100], ['closing', 100], ['open', 0]] as const) {
    const { heirs, sessions, hold, holder } = setUp({ a: false, b: false })
    Object.assign(sessions, { state, room })
    await hold(TAG, 'here')
    t.equal(await heirs.place(newSessionId(TAG), 'default', new Set()), undefined)
    t.equal(holder(), 'b', 'the last that was named')
  }
})

t.test('place: those who ask in one turn ask together', async t => {
  const { heirs, asked, hold } = setUp()
  await hold(TAG, 'b')
  await Promise.all(Array.from({ length: 50 }, () => heirs.place(newSessionId(TAG), 'default', new Set())))
  t.strictSame(asked, ['http://b'])
})

t.test('handOn: every tag goes to the least load, the largest first; what is empty is nobody\'s', async t => {
  const { heirs, sessions, tags, hold, holder } = setUp({}, [{ id: 'a', sessions: 0 }, { id: 'b', sessions: 0 }])
  sessions.tagged = { x: 10, y: 6, z: 5, other: 7 }
  for (const tag of ['z', 'y', 'x', 'empty']) await hold(tag, 'here')
  await hold('other', 'a')
  await heirs.handOn()
  t.not(holder('x'), holder('y'))
  t.equal(holder('z'), holder('y'))
  t.equal(holder('empty'), undefined)
  t.equal(holder('other'), 'a', 'another\'s is another\'s')
  t.equal(tags.latest().get('x')?.promised, 10)
})

t.test('handOn: what it was promised goes on as well; where nobody is left the entry stays', async t => {
  const { heirs, peers, tags, hold, holder } = setUp()
  await hold(TAG, 'here', 4)
  const rest = peers.splice(1)
  await heirs.handOn()
  t.equal(holder(), 'here')
  peers.push(rest[0]!)
  await heirs.handOn()
  t.match(tags.latest().get(TAG), { node: 'a', promised: 4 })
})

t.test('handOn: an entry that changes while it is handed on is handed on all the same', async t => {
  const { heirs, tags, sessions, parts, hold, holder } = setUp({}, [{ id: 'a', sessions: 0 }, { id: 'b', sessions: 0 }])
  sessions.tagged = { x: 10, y: 10 }
  for (const tag of ['x', 'y']) await hold(tag, 'here')
  const { move } = tags
  let first = true
  parts.directory = {
    ...parts.directory,
    tags: {
      ...tags,
      move: async (tag, seen, to) => {
        if (first) await hold(tag, 'here', 1)
        first = false
        return move(tag, seen, to)
      }
    }
  }
  await heirs.handOn()
  t.strictSame([holder('x'), holder('y')].sort(), ['a', 'b'])
})

t.test('handOn: a directory that cannot be reached is no reason to fail, anything else is', async t => {
  const { heirs, parts } = setUp()
  parts.directory.peers = async () => { throw new DirectoryUnavailableError('away') }
  await heirs.handOn()
  await t.rejects(heirs.place(newSessionId(TAG), 'default', new Set()), { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE' })
  parts.directory.peers = async () => { throw new TypeError('a bug') }
  await t.rejects(heirs.handOn(), TypeError)
})

t.test('an heir has the endpoint; a holder that lacks it keeps the tag, and the session goes on where it is asked for', async t => {
  const admin = { default: '/mcp', admin: '/mcp/admin' }
  const { heirs, node, asked, hold, holder } = setUp({}, [{ id: 'a' }, { id: 'b', sessions: 3, endpoints: admin }])
  Object.assign(node.endpoints, admin)
  await hold(TAG, 'a')
  t.equal(await heirs.place(newSessionId(TAG), 'admin', new Set()), undefined)
  t.strictSame([asked, holder()], [[], 'a'])
  await hold(TAG, 'gone')
  t.match(await heirs.place(newSessionId(TAG), 'admin', new Set()), { id: 'b' })
  await hold(TAG, 'here', 4)
  await heirs.handOn()
  t.equal(holder(), 'b', 'one that has all that this node has, though it has more to do')
})

t.test('handOn: where no other has all endpoints, one that has some', async t => {
  const { heirs, node, hold, holder } = setUp()
  Object.assign(node.endpoints, { admin: '/mcp/admin' })
  await hold(TAG, 'here', 4)
  await heirs.handOn()
  t.match(holder(), /^[ab]$/)
})
