import t from 'tap'
import { Affinity } from '../../lib/affinity/affinity.ts'
import type { AffinityParts, Errand } from '../../lib/affinity/affinity.ts'
import { UnderWay } from '../../lib/http/under-way.ts'
import type { Location } from '../../lib/directory/directory.ts'
import type { SessionRecord } from '../../lib/directory/record.ts'
import type { LocalSession } from '../../lib/sessions/session.ts'

t.test('a session that was adopted while the lease ran out is looked for once more if it is another\'s', async t => {
  const record = { id: 'tag.session', node: 'there', epoch: 'epoch.0', adoptionFailures: 0, replay: { initialize: '{}' } } as SessionRecord
  const session = { id: record.id } as LocalSession
  for (const [secured, expected] of [[undefined, 'serve'], [true, 'serve'], [false, 'refuse']] as const) {
    const locations: Location[] = [{ status: 'orphaned', record }, { status: 'unknown' }]
    const parts = {
      policies: { misroute: 'forward', orphan: 'adopt' },
      sessions: { state: 'open', get: () => undefined, leaving: () => undefined, secured: () => secured === undefined ? undefined : Promise.resolve(secured) },
      directory: { locate: async () => locations.shift()! },
      adoption: { adopt: async () => ({ outcome: 'adopted', session }) },
      patience: 1000,
      forwarded: { count: 0 },
      underWay: { calls: new UnderWay(), streams: new UnderWay() }
    } as unknown as AffinityParts
    const errand = { id: record.id, request: { method: 'POST', headers: {} }, reply: { raw: { destroyed: false, writableEnded: true } } } as unknown as Errand
    t.match(await new Affinity(parts).find(errand), expected === 'serve' ? { do: 'serve', session } : { do: 'refuse', reason: 'unknown' })
  }
})
