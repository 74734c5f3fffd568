import t from 'tap'
import { Adoption } from '../../lib/affinity/adoption.ts'
import type { AdoptionParts } from '../../lib/affinity/adoption.ts'
import type { SessionRecord } from '../../lib/directory/record.ts'
import { NO_EVENTS } from '../../lib/events/events.ts'
import { livesTo } from '../fixtures/events.ts'
import { keptLog } from '../fixtures/log.ts'

t.test('a session that arrived after its record was read is not adopted a second time', async t => {
  const record = { id: 'tag.session', node: 'here', epoch: 'epoch.0' } as SessionRecord
  let held: object | undefined
  let claims = 0
  const sessions = {
    node: { id: 'here' },
    state: 'open',
    get: () => held,
    expect: () => ({ epoch: 'here.0', unwanted: false }),
    arrived: () => {},
    adopt: async () => { held = {}; return held }
  } as unknown as AdoptionParts['sessions']
  const directory = { claim: async () => { claims++; return 'claimed' as const }, unclaim: async () => {} }
  const adoption = new Adoption({ endpoint: 'default', sessions, directory, owners: { recorded: async () => ({ owner: 'gone' }) }, lives: livesTo(keptLog()), events: NO_EVENTS })
  const wanted = { caller: {} } as Parameters<Adoption['adopt']>[1]
  t.match(await adoption.adopt(record, wanted, new Set()), { outcome: 'adopted' })
  t.match(await adoption.adopt(record, wanted, new Set()), { outcome: 'changed' })
  t.equal(claims, 1)
})

t.test('a session whose end is asked for while it is adopted is looked for once more: nothing has failed', async t => {
  const record = { id: 'tag.session', node: 'there', epoch: 'epoch.0' } as SessionRecord
  const came: boolean[] = []
  const sessions = {
    node: { id: 'here' },
    state: 'open',
    get: () => undefined,
    expect: () => ({ epoch: 'here.0', unwanted: false }),
    arrived: (_record: SessionRecord, here: boolean) => { came.push(here) },
    adopt: async () => undefined
  } as unknown as AdoptionParts['sessions']
  const directory = { claim: async () => 'claimed' as const, unclaim: async () => { throw new Error('there is nothing to give back') } }
  const log = keptLog()
  const adoption = new Adoption({ endpoint: 'default', sessions, directory, owners: { recorded: async () => ({ owner: 'gone' }) }, lives: livesTo(log), events: NO_EVENTS })
  t.same(await adoption.adopt(record, { caller: {} } as Parameters<Adoption['adopt']>[1], new Set()), { outcome: 'changed' })
  t.same(came, [false])
  t.same(log.lines, [])
})

t.test('an application that takes for ever holds nothing up: the adoption fails, and what comes of it later is not wanted', async t => {
  const record = { id: 'tag.session', node: 'there', epoch: 'epoch.0', adoptionFailures: 0 } as SessionRecord
  const arrival = { epoch: 'here.0', unwanted: false }
  const sessions = {
    node: { id: 'here' },
    state: 'open',
    get: () => undefined,
    expect: () => arrival,
    arrived: () => {},
    adopt: () => new Promise(() => {})
  } as unknown as AdoptionParts['sessions']
  let unclaimed = 0
  const directory = { claim: async () => 'claimed' as const, unclaim: async () => { unclaimed++ } }
  const adoption = new Adoption({ endpoint: 'default', sessions, directory, owners: { recorded: async () => ({ owner: 'gone' }) }, lives: livesTo(keptLog()), events: NO_EVENTS, bound: 10 })
  t.match(await adoption.adopt(record, { caller: {} } as Parameters<Adoption['adopt']>[1], new Set()), { outcome: 'failed', error: /longer than 10 ms/ })
  t.equal(unclaimed, 1)
  t.ok(arrival.unwanted)
})
