import t from 'tap'
import { Affinity } from '../../lib/affinity/affinity.ts'
import type { AffinityParts } from '../../lib/affinity/affinity.ts'
import { NO_EVENTS } from '../../lib/events/events.ts'
import { newCounters } from '../../lib/counters.ts'
import { Hops } from '../../lib/affinity/hops.ts'
import { Missing } from '../../lib/affinity/missing.ts'
import { UnderWay } from '../../lib/http/under-way.ts'
import type { Location } from '../../lib/directory/directory.ts'
import type { SessionRecord } from '../../lib/directory/record.ts'
import { Incoming } from '../../lib/sessions/incoming.ts'
import type { Addressed } from '../../lib/sessions/incoming.ts'
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
      hops: new Hops({ endpoint: 'default', forwarder: undefined, counters: newCounters(), events: NO_EVENTS, underWay: { calls: new UnderWay(), streams: new UnderWay() }, lastWords: () => '' }),
      missing: new Missing({ endpoint: 'default', directory: {} as never, owners: undefined, url: undefined }),
      patience: 1000
    } as unknown as AffinityParts
    const incoming = new Incoming({ method: 'POST', headers: { 'mcp-session-id': record.id } } as never, { raw: { destroyed: false, writableEnded: true } } as never) as Addressed
    t.match(await new Affinity(parts).find(incoming), expected === 'serve' ? { do: 'serve', session } : { do: 'refuse', reason: 'unknown' })
  }
})

t.test('what was passed on is not passed on again by an attempt that another request began', async t => {
  const record = { id: 'tag.session', node: 'there', epoch: 'epoch.0', adoptionFailures: 0, replay: { initialize: '{}' } } as SessionRecord
  const passed: string[] = []
  const parts = {
    policies: { misroute: 'forward', orphan: 'adopt' },
    sessions: { state: 'open', get: () => undefined, leaving: () => undefined },
    directory: { locate: async () => ({ status: 'orphaned', record }) },
    adoption: { adopt: async () => ({ outcome: 'placed', peer: { id: 'heir', url: 'http://heir', format: 2 } }) },
    hops: { began: () => {}, to: async (_: unknown, url: string) => { passed.push(url); return { do: 'nothing' } } },
    patience: 1000
  } as unknown as AffinityParts
  const find = (hop: object) => new Affinity(parts).find(new Incoming({ method: 'POST', headers: { 'mcp-session-id': record.id, ...hop } } as never, { raw: { destroyed: false } } as never) as Addressed)
  t.match(await find({}), { do: 'nothing' })
  t.match(await find({ 'mcp-sticky-hop': 'x' }), { do: 'refuse', reason: 'not_owner' })
  t.strictSame(passed, ['http://heir'])
})
