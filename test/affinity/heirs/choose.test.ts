import t from 'tap'
import { heirAmong, loadsOf } from '../../../lib/affinity/heirs/choose.ts'
import type { Holder, Peer } from '../../../lib/directory/tag-table.ts'
import { HASH_FORMAT } from '../../../lib/format.ts'

const peer = (id: string, more: Partial<Peer> = {}): Peer => ({
  id, url: `http://${id}`, tag: id, tags: [id], tagged: {}, state: 'up', sessions: 0, room: 100, format: HASH_FORMAT, endpoints: { default: '/mcp' }, incarnation: `i${id}`, started: 0, ...more
})
const held = (...entries: Array<[tag: string, holder: string, promised: number]>): Map<string, Holder> =>
  new Map(entries.map(([tag, node, promised]) => [tag, { node, incarnation: `i${node}`, promised }]))
const heir = (peers: Peer[], table = held(), except: string[] = []): string | undefined => heirAmong(peers, loadsOf(peers, table), new Set(except))?.id

t.test('a load is what is there, and what was promised and has not come', async t => {
  const peers = [peer('a', { sessions: 5, tagged: { x: 2, y: 9 } }), peer('b', { sessions: 1 })]
  t.strictSame([...loadsOf(peers, held(['x', 'a', 6], ['y', 'a', 3], ['z', 'gone', 7]))], [['a', 9], ['b', 1]])
  t.strictSame([...loadsOf(peers, new Map([['x', { node: 'a', incarnation: 'before', promised: 6 }]]))], [['a', 5], ['b', 1]], 'nothing was promised to this process')
})

t.test('the least load is the heir, and the newest among equals', async t => {
  t.equal(heir([peer('a', { sessions: 2 }), peer('b', { sessions: 1 }), peer('c', { sessions: 3 })]), 'b')
  t.equal(heir([peer('a', { sessions: 2 }), peer('b', { sessions: 1 })], held(['x', 'b', 4])), 'a', 'what is promised counts')
  t.equal(heir([peer('a', { started: 1 }), peer('b', { started: 3 }), peer('c', { started: 2 })]), 'b')
  t.equal(heir([peer('b'), peer('a')]), 'a', 'or the same for all who ask')
})

t.test('who drains, has no room, no url, an older format, or was tried, is none', async t => {
  const none = [
    peer('a', { state: 'draining' }), peer('b', { room: 0 }), peer('c', { url: undefined }), peer('d', { format: HASH_FORMAT - 1 }), peer('e')
  ]
  t.equal(heir(none, held(), ['e']), undefined)
  t.equal(heir(none), 'e')
  t.equal(heir([peer('a', { room: 3 })], held(['x', 'a', 3])), undefined, 'its room is promised already')
  t.equal(heir([peer('a', { room: 4 })], held(['x', 'a', 3])), 'a')
})
