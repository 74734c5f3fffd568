import t from 'tap'
import { holderOf, routesOf } from '../../lib/directory/tag-table.ts'
import type { Holder, Peer } from '../../lib/directory/tag-table.ts'

const peer = (id: string, tags: string[], more: Partial<Peer> = {}): Peer => ({
  id, url: `http://${id}`, tag: tags[0]!, tags, tagged: {}, state: 'up', sessions: 0, room: 1, format: 2, endpoints: { default: '/mcp' }, incarnation: `i${id}`, started: 0, ...more
})
const entry = (node: string, incarnation = `i${node}`): Holder => ({ node, incarnation, promised: 0 })
const routes = (peers: Peer[], table: Record<string, Holder> = {}, handsOver = false): Record<string, string> =>
  Object.fromEntries(routesOf(peers, new Map(Object.entries(table)), handsOver).map(({ url, tags, draining }) => [url.slice('http://'.length), `${tags.join()}${draining ? ' draining' : ''}`]))

t.test('an entry counts while its holder lives and is up', async t => {
  const peers = [peer('a', ['ta']), peer('b', ['tb'], { state: 'draining' })]
  t.equal(holderOf(entry('a'), peers)?.id, 'a')
  t.equal(holderOf(entry('a', 'before'), peers), undefined, 'another process')
  t.equal(holderOf(entry('b'), peers), undefined)
  t.equal(holderOf(entry('c'), peers), undefined)
  t.equal(holderOf(undefined, peers), undefined)
})

t.test('a node has the tags that it holds, and those of its url that nobody holds', async t => {
  const [a, b] = [peer('a', ['ta', 'ta1']), peer('b', ['tb'])]
  t.strictSame(routes([a, b]), { a: 'ta,ta1', b: 'tb' })
  t.strictSame(routes([a, b], { gone: entry('b'), ta1: entry('b') }), { a: 'ta', b: 'gone,ta1,tb' })
  t.strictSame(routes([a, b], { ta: entry('gone'), gone: entry('gone') }), { a: 'ta,ta1', b: 'tb' }, 'what the dead held is nobody\'s')
  t.strictSame(routes([peer('a', ['ta']), b], { ta: entry('b') }), { a: '', b: 'ta,tb' }, 'it may have none')
  t.strictSame(routes([a, peer('c', ['tc'], { url: undefined })], { x: entry('c') }), { a: 'ta,ta1' }, 'nobody can be led to a node without a url')
})

t.test('who drains has its tags until it names others, and nothing else', async t => {
  const [a, b] = [peer('a', ['ta']), peer('b', ['tb'], { state: 'draining' })]
  t.strictSame(routes([a, b], { gone: entry('b'), tb: entry('b') }), { a: 'ta', b: 'gone,tb draining' })
  t.strictSame(routes([a, b], { gone: entry('a'), tb: entry('a') }), { a: 'gone,ta,tb', b: ' draining' })
})

t.test('who drains has no route where the others pass on what is meant for it, unless there are none', async t => {
  const [a, b] = [peer('a', ['ta']), peer('b', ['tb'], { state: 'draining' })]
  t.strictSame(routes([a, b], { gone: entry('b'), tb: entry('b') }, true), { a: 'ta' })
  t.strictSame(routes([b], { gone: entry('b') }, true), { b: 'gone,tb' })
  t.strictSame(routes([peer('a', ['ta'], { url: undefined }), b], {}, true), { b: 'tb' }, 'nobody is led to one without a url')
})

t.test('where nodes differ in their endpoints a route says which there are', async t => {
  const [a, b] = [peer('a', ['ta'], { endpoints: { default: '/mcp', admin: '/mcp/admin' } }), peer('b', ['tb'])]
  const paths = (...peers: Peer[]) => routesOf(peers, new Map(), false).map(({ paths }) => paths)
  t.strictSame(paths(a, b), [['/mcp', '/mcp/admin'], ['/mcp']])
  t.strictSame(paths(a, { ...b, endpoints: { admin: '/mcp/admin', default: '/mcp' } }), [undefined, undefined])
  t.strictSame(paths(a, { ...b, endpoints: { default: '' } }), [['/mcp', '/mcp/admin'], undefined], 'a node of before there were names may not have said')
})

t.test('the same nodes and table make the same routes, in whatever order they come', async t => {
  const [a, b] = [peer('a', ['ta']), peer('b', ['tb'])]
  const table = Object.entries({ x: entry('a'), y: entry('b'), z: entry('a') })
  t.strictSame(routesOf([b, a], new Map(table.reverse()), true), routesOf([a, b], new Map(table.reverse()), true))
  t.strictSame(routes([peer('old', ['t'], { url: 'http://one', started: 1, state: 'draining' }), peer('new', ['t'], { url: 'http://one', started: 2 })]), { one: 't' }, 'two nodes with one url are one')
})
