import t from 'tap'
import { Doubt } from '../../../lib/shared-directory/doubt.ts'
import { locate, type LocateParts } from '../../../lib/redis/finding/locate.ts'
import { OwnerCache } from '../../../lib/shared-directory/owner-cache.ts'
import { RecordReader } from '../../../lib/redis/finding/record-reader.ts'
import { Unreadable } from '../../../lib/redis/link/unreadable.ts'
import { newSessionId } from '../../../lib/session-id.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { keptLog } from '../../fixtures/log.ts'
import { until } from '../../fixtures/until.ts'

/** The doubt is over, and so is the moment in which it was raised. */
const after = (doubt: Doubt) => until('it is later', () => !doubt.since(performance.now()))

t.test('an orphan is unknown where its principal\'s close is still to be carried out', async t => {
  const record = { id: 'tag.id', node: 'dead', epoch: 'e.0', principal: 'issuer|ann' }
  const parts = {
    node: identity('a'),
    reader: { read: async () => record },
    registry: { latest: () => new Map(), owner: async () => undefined },
    doubt: { left: 0, since: () => false },
    ownerCache: new OwnerCache(),
    tags: { refresh: async () => {} }
  } as unknown as LocateParts
  const status = async (...closing: Parameters<typeof locate>[2]['closing']) =>
    (await locate(parts, record.id, { fresh: false, discarding: false, closing })).status
  t.equal(await status(), 'orphaned')
  t.equal(await status({ principal: 'issuer|bob' }), 'orphaned', 'another\'s is not obeyed')
  t.equal(await status({ principal: 'issuer|bob' }, { principal: 'issuer|ann' }), 'unknown')
  t.equal(await status('any'), 'unknown')
})

t.test('who was reached by our url before us is gone, whatever is left of its heartbeat', async t => {
  const url = 'http://10.0.0.1:3000'
  const record = { id: 'tag.id', node: 'dead', epoch: 'e.0', url }
  const standing = async (own: string | undefined, its: string | undefined) => {
    const parts = {
      node: identity('a', own),
      reader: { read: async () => record },
      registry: { latest: () => new Map(), owner: async () => ({ ...identity('dead', its), state: 'up' }) },
      doubt: { left: 0, since: () => false },
      ownerCache: new OwnerCache(),
      tags: { refresh: async () => {} }
    } as unknown as LocateParts
    return (await locate(parts, record.id, { fresh: false, discarding: false, closing: [] })).status
  }
  t.equal(await standing(url, url), 'orphaned')
  t.equal(await standing('http://10.0.0.2:3000', url), 'misrouted')
  t.equal(await standing(undefined, undefined), 'misrouted', 'to have none is not to have the same')
})

t.test('what was read in doubt is no evidence when the doubt is over', async t => {
  const UNAVAILABLE = { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE' }
  const node = identity('a')
  const doubt = new Doubt(0)
  const raised = () => { doubt.raise() }
  const ownerCache = new OwnerCache()
  const registry = { latest: () => new Map(), knows: async () => false, owner: async () => during() }
  const absent = { run: async () => { during(); return [] } }
  const id = newSessionId(node.tag)
  const tags = { latest: () => new Map(), refresh: async () => {} }
  const reader = new RecordReader({ link: absent, registry, tags, doubt, unreadable: new Unreadable(keptLog()), keys: { session: () => '' } } as unknown as ConstructorParameters<typeof RecordReader>[0])
  let during = raised
  await t.rejects(reader.read(id), UNAVAILABLE)
  during = () => {}
  await after(doubt)
  t.equal(await reader.read(id), undefined, 'what is read now is')
  during = raised
  const record = { id, node: 'dead', epoch: 'e.0' }
  const parts = { node, registry, doubt, ownerCache, reader: { read: async () => record } } as unknown as LocateParts
  const how = { fresh: false, discarding: false, closing: [] }
  await t.rejects(locate(parts, id, how), UNAVAILABLE)
  during = () => {}
  await after(doubt)
  t.match(await locate(parts, id, how), { status: 'orphaned' })
})
