import t from 'tap'
import { memoryDirectory } from '../../lib/directory/memory-directory.ts'
import { memorySpace } from '../../lib/directory/memory-space.ts'
import { FakeNode, identity } from '../fixtures/directory-node.ts'
import { directorySuite } from './suite.ts'

directorySuite(t, () => {
  const space = memorySpace()
  return {
    directory: node => memoryDirectory({ node, ttl: 60_000, space }),
    crash: (_directory, node) => { space.nodes.delete(node.id) }
  }
})

t.test('a record that nobody renewed expires', async t => {
  const node = new FakeNode(identity('a'))
  const directory = memoryDirectory({ node: node.identity, ttl: 0 })
  await directory.start(node)
  const record = node.open()
  await directory.add(record)
  t.strictSame(await directory.locate(record.id), { status: 'unknown' })
  t.strictSame(await directory.list({ limit: 10 }), { sessions: [] })
})
