import t from 'tap'
import { newIdentity } from '../../lib/directory/node.ts'
import { nodeTag, nodeTags } from '../../lib/session-id.ts'

t.test('a node is known by its url, and begins with its first tag alone', async t => {
  const node = { id: 'a', url: 'http://a' }
  const { id, url, tag, tags, minting } = newIdentity({ ...node, tags: 3 })
  t.strictSame({ id, url, tag, tags, minting }, { ...node, tag: nodeTag(node), tags: nodeTags(node, 3), minting: [nodeTag(node)] })
  t.equal(tags.length, 3)
  t.equal(newIdentity({ id: 'a', tags: 1 }).tag, nodeTag({ id: 'a' }), 'or by its id')
})

t.test('each process is another, and begins its first epoch', async t => {
  const [one, other] = [newIdentity({ id: 'a', tags: 1 }), newIdentity({ id: 'a', tags: 1 })]
  t.not(one.incarnation, other.incarnation)
  t.equal(one.epoch, `${one.incarnation}.0`)
  t.match(one.incarnation, /^[\w-]{16,}$/, 'without what the epoch is cut at')
})
