import t from 'tap'
import { TagKeeper } from '../../lib/affinity/tag-keeper.ts'
import type { TagKeeperParts } from '../../lib/affinity/tag-keeper.ts'
import { newIdentity } from '../../lib/directory/node.ts'
import { memorySpace, memoryTags } from '../../lib/directory/memory-space.ts'
import type { Peer } from '../../lib/directory/tag-table.ts'
import { keptLog } from '../fixtures/log.ts'
import { until } from '../fixtures/until.ts'

function setUp ({ count = 1, idleTimeout = 3_600_000 } = {}) {
  const node = newIdentity({ id: 'here', url: 'http://here', tags: count })
  const peer = (id: string, more: Partial<Peer> = {}): Peer => ({
    id, url: `http://${id}`, tag: 't', tags: [], tagged: {}, state: 'up', sessions: 0, room: 1, format: 2, endpoints: { default: '/mcp' }, incarnation: `i${id}`, started: 0, ...more
  })
  const peers = [peer('here', { incarnation: node.incarnation }), peer('a')]
  const tags = memoryTags(memorySpace())
  const sessions = { state: 'open' as TagKeeperParts['sessions']['state'], tagged: {} as Record<string, number> }
  const keeper = new TagKeeper({ node, sessions, directory: { tags, peers: async () => peers }, heartbeat: 1000, idleTimeout, log: keptLog() as never })
  const hold = (tag: string, holder: string, promised = 0): Promise<boolean> =>
    tags.move(tag, tags.latest().get(tag), { node: holder, incarnation: holder === 'here' ? node.incarnation : `i${holder}`, promised })
  return { keeper, node, peers, tags, sessions, hold, holder: (tag: string) => tags.latest().get(tag)?.node }
}

t.test('a node takes the tags of its url that no live node holds, and opens sessions under half of them', async t => {
  const { keeper, node, hold, holder } = setUp({ count: 8 })
  const [first, second, third] = node.tags as [string, string, string]
  await hold(first, 'a')
  await hold(second, 'dead')
  await keeper.turn()
  t.equal(holder(first), 'a')
  t.equal(holder(second), 'here')
  t.equal(holder(third), 'here')
  t.strictSame(node.minting, node.tags.slice(1, 5))
})

t.test('when others hold all of them it opens sessions under its first', async t => {
  const { keeper, node, hold } = setUp()
  await hold(node.tag, 'a')
  await keeper.turn()
  t.strictSame(node.minting, [node.tag])
})

t.test('a tag goes to who has more of its sessions', async t => {
  const { keeper, node, peers, sessions, hold, holder } = setUp()
  await hold(node.tag, 'a')
  peers[1] = { ...peers[1]!, tagged: { [node.tag]: 3 } }
  sessions.tagged = { [node.tag]: 3 }
  await keeper.turn()
  t.equal(holder(node.tag), 'a', 'not of as many')
  sessions.tagged = { [node.tag]: 4 }
  await keeper.turn()
  t.equal(holder(node.tag), 'here')
})

t.test('so does one that it has never held: its sessions came here, and others were named heirs after that', async t => {
  const { keeper, tags, peers, sessions, hold, holder } = setUp()
  await hold('x', 'a', 30)
  peers[1] = { ...peers[1]!, tagged: { x: 1 } }
  sessions.tagged = { x: 29 }
  await keeper.turn()
  t.equal(holder('x'), 'a', 'more are on their way there')
  await hold('x', 'a', 15)
  await keeper.turn()
  t.match(tags.latest().get('x'), { node: 'here', promised: 29 })
})

t.test('what was lost of the table is put back, others\' tags too, if they have sessions here', async t => {
  const { keeper, node, tags, sessions, hold, holder } = setUp()
  for (const tag of ['used', 'unused']) await hold(tag, 'here')
  sessions.tagged = { used: 1 }
  await keeper.turn()
  for (const tag of [node.tag, 'used', 'unused']) await tags.move(tag, tags.latest().get(tag), undefined)
  await keeper.turn()
  t.strictSame([holder(node.tag), holder('used'), holder('unused')], ['here', 'here', undefined])
})

t.test('of another\'s tag without sessions it lets go in the end, of its own never', async t => {
  const { keeper, node, sessions, hold, holder } = setUp({ idleTimeout: 1 })
  await hold('idle', 'here')
  await hold('used', 'here')
  sessions.tagged = { used: 1 }
  await until('it has let go', async () => { await keeper.turn(); return holder('idle') === undefined })
  t.strictSame([holder('used'), holder(node.tag)], ['here', 'here'])
})

t.test('sessions that were promised and do not come are expected less and less', async t => {
  const { keeper, tags, sessions, hold } = setUp()
  await hold('x', 'here', 9)
  sessions.tagged = { x: 1 }
  const seen: number[] = []
  for (let i = 0; i < 5; i++) {
    await keeper.turn()
    seen.push(tags.latest().get('x')!.promised)
  }
  t.strictSame(seen, [5, 3, 2, 1, 1])
  sessions.tagged = { x: 7 }
  await keeper.turn()
  t.equal(tags.latest().get('x')!.promised, 1, 'it is not raised')
})

t.test('a node that goes, or that no other sees yet, takes nothing', async t => {
  const { keeper, node, peers, sessions, holder } = setUp()
  sessions.state = 'draining'
  await keeper.turn()
  t.equal(holder(node.tag), undefined)
  sessions.state = 'open'
  const [own] = peers.splice(0, 1)
  await keeper.turn()
  t.equal(holder(node.tag), undefined)
  peers.push(own!)
  await keeper.turn()
  t.equal(holder(node.tag), 'here')
})
