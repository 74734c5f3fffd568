import t from 'tap'
import { locate, type LocateParts } from '../../lib/redis/locate.ts'
import { OwnerCache } from '../../lib/redis/owner-cache.ts'
import { identity } from '../fixtures/directory-node.ts'

t.test('an orphan is unknown where its principal\'s close is still to be carried out', async t => {
  const record = { id: 'tag.id', node: 'dead', epoch: 'e.0', principal: 'issuer|ann' }
  const parts = {
    node: identity('a'),
    reader: { read: async () => record },
    registry: { latest: () => new Map(), owner: async () => undefined },
    doubt: { left: 0 },
    owners: new OwnerCache()
  } as unknown as LocateParts
  const status = async (...closing: Parameters<typeof locate>[2]['closing']) =>
    (await locate(parts, record.id, { fresh: false, releasing: false, closing })).status
  t.equal(await status(), 'orphaned')
  t.equal(await status({ principal: 'issuer|bob' }), 'orphaned', 'another\'s is not obeyed')
  t.equal(await status({ principal: 'issuer|bob' }, { principal: 'issuer|ann' }), 'unknown')
  t.equal(await status('any'), 'unknown')
})
