import t from 'tap'
import { byNodeAndUse, compare, fromCursor, toCursor, type Position } from '../../lib/directory/cursor.ts'

t.test('a cursor comes back as the place that it was made of', async t => {
  for (const position of [['node-1', '1700000000000', 'abc'], ['', '', ''], ['a', '0', '~']] as Position[]) {
    const cursor = toCursor(position)
    t.match(cursor, /^[\w-]+$/, 'it can stand in a url')
    t.strictSame(fromCursor(cursor), position)
  }
})

t.test('what is no cursor of ours is refused', async t => {
  const wrong = [
    ['a', '1'], ['a', '1', 'b', 'c'], ['a', 1, 'b'], ['a', '-1', 'b'], ['a', '1.5', 'b'], ['a', '1'.repeat(21), 'b'],
    ['a\n', '1', 'b'], ['a', '1', 'x'.repeat(201)], ['ü', '1', 'b'], { length: 3 }, null, 'a'
  ].map(value => Buffer.from(JSON.stringify(value)).toString('base64url'))
  for (const cursor of ['', 'no cursor', Buffer.from('[').toString('base64url'), ...wrong]) {
    t.throws(() => fromCursor(cursor), { code: 'MCP_STICKY_ERR_OPTION', message: /`cursor`/ }, cursor)
  }
})

t.test('the order is that of nodes, then of use, then of ids', async t => {
  const place = (node: string, lastSeenAt: number, id: string) => ({ node, lastSeenAt, id })
  const ordered = [place('B', 9, 'z'), place('a', 1, 'b'), place('a', 2, 'a'), place('a', 10, 'a'), place('a', 10, 'b'), place('b', 0, 'a')]
  t.strictSame([...ordered].reverse().sort(byNodeAndUse), ordered)
  t.strictSame([compare('a', 'b'), compare('b', 'a'), compare('a', 'a')], [-1, 1, 0])
})
