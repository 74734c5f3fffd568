import t from 'tap'
import type { SessionEventStore } from '../../lib/transport/mcp-server.ts'
import type { SessionDirectory } from '../../lib/directory/directory.ts'
import type { SessionRecord } from '../../lib/directory/record.ts'
import { newCounters } from '../../lib/counters.ts'
import { Incoming } from '../../lib/sessions/incoming.ts'
import { DEFAULT_ENDPOINT } from '../../lib/endpoint-name.ts'
import { Endpoint } from '../../lib/sessions/endpoint.ts'
import { Sessions } from '../../lib/sessions/sessions.ts'
import type { SessionsParts } from '../../lib/sessions/sessions.ts'
import { AnswerWait } from '../../lib/transport/calls/answer-wait.ts'
import { KeepAlive } from '../../lib/transport/streams/keep-alive.ts'
import { Unsent } from '../../lib/http/unsent.ts'
import { StreamableHttpTransport } from '../../lib/transport/transport.ts'
import { FakeNode, identity } from '../fixtures/directory-node.ts'
import { keptLog } from '../fixtures/log.ts'
import { until } from '../fixtures/until.ts'
import { HTTP } from '../fixtures/wired-transport.ts'
import { livesTo, UNTOLD } from '../fixtures/events.ts'

type Reclaimed = Awaited<ReturnType<SessionDirectory['reclaim']>>

/** Sessions whose lease holds, or does not, and whose directory says what the test says. */
function setUp (answers: Array<() => Reclaimed> = [], eventStore?: SessionEventStore) {
  const node = identity('a')
  const lease = { running: true, lapsed: true, holds: (epoch: string) => !lease.lapsed && epoch === node.epoch, beating: () => () => {} }
  const log = keptLog()
  const asked: string[] = []
  const told: unknown[] = []
  let away = false
  const directory = {
    stop: async (ids: string[]) => {
      told.push(...ids.map(id => sessions.record(id)?.state))
      return 0
    },
    changed: () => {},
    discard: () => {},
    away: () => away,
    reclaim: async (id: string) => {
      asked.push(id)
      return answers.shift()!()
    }
  } as unknown as SessionDirectory
  let asksServer = false
  let disconnected = 0
  let connected: any
  let initialized = (): void => {}
  const initialize = new Promise<void>(resolve => { initialized = resolve })
  const server = {
    connect: async (transport: any) => {
      const serverInfo = { name: 's', version: '1' }
      // As the SDK does it.
      const former = transport.onclose
      transport.onclose = () => {
        former?.()
        disconnected++
      }
      connected = transport
      transport.onmessage = async ({ id, method }: any) => {
        if (method !== 'initialize') return
        asksServer = true
        await initialize
        await transport.send({ jsonrpc: '2.0', id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo } })
      }
    },
    close: async () => {}
  }
  const parts = { ...log, child: () => parts } as unknown as SessionsParts['log']
  const counters = newCounters()
  const endpoint = new Endpoint({
    name: DEFAULT_ENDPOINT,
    onAdopt: undefined,
    limits: { idleTimeout: Infinity, firstUseTimeout: Infinity, maxPerNode: 1, maxPerPrincipal: 1 },
    counters,
    createServer: () => server as any,
    makeTransport: events => new StreamableHttpTransport({ ...events, token: 't', responseMode: 'json', ...eventStore && { eventStore }, waits: new AnswerWait(1e6), keepAlive: new KeepAlive(1e6), unsent: new Unsent({ most: Infinity, keepAlive: 1e6 }), told: UNTOLD, log: parts }),
    log: parts
  })
  const sessions = new Sessions({ node, endpoints: new Map([[DEFAULT_ENDPOINT, endpoint]]), lease, directory, lives: livesTo(parts), log: parts })
  const record: SessionRecord = { ...new FakeNode(identity('b')).open(), node: 'b', epoch: 'b.0', lastSeenAt: 0, adoptionFailures: 0 }
  const wanted = new Incoming(HTTP as never, {} as never)
  /** One that is adopted while the lease runs, before `lapsed` says otherwise. */
  const adopted = async () => {
    lease.lapsed = false
    initialized()
    const session = (await sessions.adopt(record, sessions.expect(record)!, wanted))!
    lease.lapsed = true
    return session
  }
  return { node, lease, log, asked, sessions, counters, record, wanted, initialized, adopted, told: () => asksServer, disconnected: () => disconnected, server: () => connected, stopped: told, isAway: (is: boolean) => { away = is } }
}

t.test('what the directory said before another pause is asked again', async t => {
  const { sessions, asked, adopted } = setUp([() => 'kept', () => 'lost'])
  const session = await adopted()
  t.equal(await sessions.secured(session), false)
  t.equal(asked.length, 2)
})

t.test('a session that was kept while the lease runs is ours', async t => {
  const { sessions, lease, asked, adopted } = setUp([() => 'kept', () => { lease.lapsed = false; return 'kept' }])
  const session = await adopted()
  t.equal(await sessions.secured(session), true)
  t.equal(asked.length, 2)
  t.equal(sessions.secured(session), undefined, 'beyond doubt')
})

t.test('a lease that never runs is as good as no answer: it is served, and that is said', async t => {
  const { sessions, log, asked, adopted } = setUp(Array.from({ length: 3 }, () => () => 'kept'))
  const session = await adopted()
  t.equal(await sessions.secured(session), true)
  t.equal(asked.length, 3)
  t.match(log.lines.filter(({ level }) => level === 'warn'), [{ message: /two owners/ }])
})

t.test('a directory that is known not to answer is not asked for each request, and is again as soon as it answers', async t => {
  const { sessions, log, asked, adopted, isAway } = setUp([() => 'lost'])
  const session = await adopted()
  isAway(true)
  for (let i = 0; i < 3; i++) t.equal(sessions.secured(session), undefined)
  t.strictSame(asked, [])
  t.match(log.lines.filter(({ level }) => level === 'warn'), [{ message: /two owners/ }], 'said once')
  isAway(false)
  t.equal(await sessions.secured(session), false)
  t.strictSame(asked, [session.id])
})

t.test('the events of a session that another node has taken are not forgotten, those of one that ends are', async t => {
  for (const [why, forgotten] of [['taken', 0], ['requested', 1], ['idle', 1]] as const) {
    let forgets = 0
    const events = { takeOver: async () => {}, forget: async () => { forgets++ } }
    const { sessions, adopted } = setUp([], { forSession: () => events } as unknown as SessionEventStore)
    const session = await adopted()
    sessions.finish(session, why)
    await until('it is closed', () => sessions.size === 0)
    t.equal(forgets, forgotten, why)
  }
})

t.test('a session that was claimed before a lapse is not beyond doubt after it', async t => {
  const { sessions, node, lease, record, wanted, initialized, told } = setUp([() => 'lost'])
  lease.lapsed = false
  const adopting = sessions.adopt(record, sessions.expect(record)!, wanted)
  await until('it is being told what the client has said', () => told())
  node.epoch = 'next'
  initialized()
  const session = (await adopting)!
  t.equal(await sessions.secured(session), false)
})

t.test('a claim that is older than a lapse is no claim: nothing is taken over', async t => {
  const { sessions, record, wanted, told } = setUp()
  t.equal(await sessions.adopt(record, sessions.expect(record)!, wanted), undefined)
  t.notOk(told(), 'the server was told nothing')
  t.equal(sessions.size, 0)
})

t.test('a session whose end is asked for while it is adopted does not come', async t => {
  const { sessions, lease, record, wanted, initialized } = setUp()
  lease.lapsed = false
  const arrival = sessions.expect(record)!
  t.equal(sessions.expect(record), undefined, 'its place is taken')
  const adopting = sessions.adopt(record, arrival, wanted)
  sessions.end(record.id, 'closed')
  initialized()
  t.equal(await adopting, undefined)
  sessions.arrived(record, false)
  t.equal(sessions.size, 0)
  t.ok(sessions.expect(record), 'its place is free')
})

t.test('the server of an adopted session learns of its end, and can end it itself', async t => {
  const ended = setUp()
  const session = await ended.adopted()
  ended.sessions.finish(session, 'taken')
  await until('the server has been told', () => ended.disconnected() === 1)

  const ending = setUp()
  await ending.adopted()
  await ending.server().close()
  t.equal(ending.sessions.size, 0)
  t.equal(ending.counters.ended.server_closed, 1)
})

t.test('a server that ends its session while it is adopted has none', async t => {
  const { sessions, lease, record, wanted, initialized, server, told } = setUp()
  lease.lapsed = false
  const adopting = sessions.adopt(record, sessions.expect(record)!, wanted)
  await until('it is being told what the client has said', () => told())
  const failed = t.rejects(adopting)
  await server().close()
  initialized()
  await failed
  t.equal(sessions.size, 0)
})

t.test('an event store that does not answer does not stand in the way', async t => {
  let asked = 0
  const events = { takeOver: async () => { asked++; throw new Error('no answer') }, forget: async () => {} }
  const { sessions, log, adopted } = setUp([], { forSession: () => events } as unknown as SessionEventStore)
  await adopted()
  t.equal(asked, 1)
  t.equal(sessions.size, 1)
  t.match(log.lines, [{ level: 'warn', message: /could not be taken over yet/ }])
})

t.test('what the directory has not been told yet of a session is still known when its node ends', async t => {
  const { sessions, adopted, stopped } = setUp()
  const session = await adopted()
  session.state = { last: 'word' }
  await sessions.shutdown(1000)
  t.same(stopped, ['{"last":"word"}'])
})
