import t from 'tap'
import { SessionLog } from '../../../lib/http/session-log.ts'
import type { EventStore } from '../../../lib/transport/mcp-server.ts'
import { EventKeeping } from '../../../lib/transport/streams/event-keeping.ts'
import { keptLog } from '../../fixtures/log.ts'
import { SESSION_ID } from '../../fixtures/wired-transport.ts'

function setUp (store: (...of: unknown[]) => Promise<string>) {
  const log = keptLog()
  return { log, keeping: new EventKeeping({ events: { storeEvent: store } as unknown as EventStore, log: new SessionLog(log, SESSION_ID) }, 'name') }
}

t.test('the store is told of the requests with the first event that it takes', async t => {
  const told: unknown[][] = []
  const outcomes = [async () => { throw new Error('no') }, async () => '1', async () => '2']
  const { keeping } = setUp((...of) => {
    told.push(of)
    return outcomes.shift()!()
  })
  keeping.answers([1, 'a'])
  t.strictSame([await keeping.store({ n: 1 }), await keeping.store({ n: 2 }), await keeping.store({ n: 3 })], [undefined, '1', '2'])
  t.strictSame(told, [['name', { n: 1 }, { requests: [1, 'a'] }], ['name', { n: 2 }, { requests: [1, 'a'] }], ['name', { n: 3 }]])
})

t.test('a store that fails, or makes ids that cannot be sent, is a warning', async t => {
  for (const store of [async () => { throw new Error('no') }, () => { throw new Error('at once') }, async () => '', async () => 'a\nb']) {
    const { log, keeping } = setUp(store)
    t.equal(await keeping.store({}), undefined)
    t.match(log.lines, [{ level: 'warn', fields: { err: Error } }])
  }
})
