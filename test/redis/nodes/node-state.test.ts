import t from 'tap'
import { HEARTBEAT } from '../../../lib/beats.ts'
import { isNodeId, isNodeUrl, readMemberState, readNodeState } from '../../../lib/redis/nodes/node-state.ts'
import { nodeTags } from '../../../lib/session-id.ts'

const TAG = '0123456789abcdef'
const known = { format: 2, url: 'http://a:1', tag: TAG, epoch: 'e.0', started: 7, state: 'up', heartbeat: 100, options: { path: '/mcp' }, endpoints: { default: '/mcp', admin: '/mcp/admin' } }

t.test('what a node has written is read', async t => {
  const value = `17 ${JSON.stringify({ ...known, later: 'field' })}`
  t.strictSame(readMemberState('a', value), { id: 'a', ...known, tags: [TAG], until: 17, load: undefined, raw: value })
})

t.test('an older node says what it has to do in the same place', async t => {
  const raw = JSON.stringify({ ...known, format: 1, sessions: 3, room: null })
  t.strictSame(readNodeState('a', raw), { id: 'a', ...known, format: 1, tags: [TAG], until: 0, load: { sessions: 3, room: Infinity }, raw })
})

t.test('a node of before there were names has the default endpoint; what is none is left out', async t => {
  const endpoints = (facts: object) => readMemberState('a', `17 ${JSON.stringify({ ...known, ...facts })}`)!.endpoints
  t.strictSame(endpoints({ endpoints: undefined }), { default: '/mcp' })
  t.strictSame(endpoints({ endpoints: undefined, options: undefined }), { default: '' })
  for (const wrong of [null, 7, [], 'a', { A: '/mcp' }, { admin: 7 }]) t.strictSame(endpoints({ endpoints: wrong }), {}, JSON.stringify(wrong))
})

t.test('what is no name of an endpoint is not among those that serve calls without sessions, or do so unannounced', async t => {
  const eras = (facts: object) => {
    const { stateless, unannounced } = readMemberState('a', `17 ${JSON.stringify({ ...known, ...facts })}`)!
    return [stateless, unannounced]
  }
  t.strictSame(eras({}), [undefined, undefined])
  t.strictSame(eras({ stateless: ['default', 'admin'], unannounced: ['admin'] }), [['default', 'admin'], ['admin']])
  t.strictSame(eras({ stateless: 'default', unannounced: 'default' }), [undefined, undefined])
  t.strictSame(eras({ stateless: ['default', 7], unannounced: ['A', null] }), [['default'], []])
})

t.test('the tags of a url follow from how many there are', async t => {
  const tags = (facts: object) => readNodeState('a', JSON.stringify({ ...known, ...facts }))!.tags
  t.strictSame(tags({ tags: 3 }), [TAG, ...nodeTags({ id: 'a', url: known.url }, 3).slice(1)])
  for (const facts of [{ tags: 1 }, { tags: 0 }, { tags: 1.5 }, { tags: 1e9 }, { tags: ['x'] }, { tags: 3, url: undefined }]) t.strictSame(tags(facts), [TAG], JSON.stringify(facts))
  t.strictSame(tags({ tag: 'no tag', tags: 3 }), [], 'what is no tag is none of its')
})

t.test('what no node can have written is no state', async t => {
  for (const facts of ['', 'a', '[]', 'null', '{}', JSON.stringify({ ...known, tag: 1 }), JSON.stringify({ ...known, epoch: undefined }), JSON.stringify({ ...known, url: 'no url' }), JSON.stringify({ ...known, url: null })]) {
    t.equal(readNodeState('a', facts), undefined, facts)
    t.equal(readMemberState('a', `17 ${facts}`), undefined, facts)
  }
  t.equal(readNodeState('a b', JSON.stringify(known)), undefined)
  for (const value of [JSON.stringify(known), `x ${JSON.stringify(known)}`, '0 ']) t.equal(readMemberState('a', value), undefined, value)
})

t.test('what only informs may make no sense', async t => {
  const { url, state, started, load, format, heartbeat } = readNodeState('a', JSON.stringify({ tag: '', epoch: '', started: 'x', state: 'new', sessions: -1, room: 'a', format: null, heartbeat: HEARTBEAT.most + 1 }))!
  t.strictSame([url, state, started, load, format, heartbeat], [undefined, 'draining', 0, { sessions: 0, room: 0 }, 0, HEARTBEAT.usual])
  t.equal(readNodeState('a', JSON.stringify({ ...known, heartbeat: HEARTBEAT.least - 1 }))!.heartbeat, HEARTBEAT.usual)
})

t.test('ids and urls of nodes', async t => {
  for (const id of ['a', 'host-1.a_b', 'x'.repeat(64)]) t.equal(isNodeId(id), true, id)
  for (const id of ['', 'x'.repeat(65), 'a b', 'a:b', 'ü', 'a\n']) t.equal(isNodeId(id), false, id)
  for (const url of ['http://a', 'https://10.0.0.1:3000', 'http://[::1]:80']) t.equal(isNodeUrl(url), true, url)
  for (const url of ['http://a/', 'http://a/b', 'http://a?b', 'http://u@a', 'ftp://a', 'http://a:x', 'http://a b', 'a', 1, undefined]) t.equal(isNodeUrl(url), false, String(url))
})
