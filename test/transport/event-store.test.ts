import t from 'tap'
import { EventsExpiredError } from '../../lib/errors.ts'
import { eventsOf, isExpired, knowsSessions, sessionEvents } from '../../lib/transport/event-store.ts'
import type { EventStore } from '../../lib/transport/mcp-server.ts'
import { MemoryEventStore, MemorySessionEventStore } from '../fixtures/memory-event-store.ts'

t.test('a store that knows sessions is asked for those of one, another is used as it is', async t => {
  const plain = new MemoryEventStore()
  t.equal(knowsSessions(plain), false)
  t.equal(eventsOf(plain, 'id', 'token'), plain)
  const asked: string[][] = []
  const events = { takeOver: async () => {} }
  const knowing = { forSession: (...of: string[]) => { asked.push(of); return events } } as unknown as EventStore
  t.equal(knowsSessions(knowing), true)
  t.equal(eventsOf(knowing, 'id', 'token'), events)
  t.strictSame(asked, [['id', 'token']])
})

t.test('only the events of a session can be taken over', async t => {
  t.equal(sessionEvents(undefined), undefined)
  t.equal(sessionEvents(new MemoryEventStore()), undefined)
  const events = eventsOf(new MemorySessionEventStore(), 'id', 'token')
  t.equal(sessionEvents(events), events)
})

t.test('that events have expired is known by the code, whoever says it', async t => {
  t.equal(isExpired(new EventsExpiredError()), true)
  t.equal(isExpired({ code: new EventsExpiredError().code }), true)
  for (const error of [undefined, null, 'MCP_STICKY_ERR_EVENTS_EXPIRED', new Error('expired'), {}, { code: 'MCP_STICKY_ERR_SESSION_ENDED' }]) t.equal(isExpired(error), false, String(error))
})
