import type { FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { newCounters } from '../../lib/counters.ts'
import type { Peer } from '../../lib/directory/tag-table.ts'
import { DirectoryUnavailableError } from '../../lib/errors.ts'
import { principalKey } from '../../lib/security/principal.ts'
import { mcpSessions } from '../../lib/sessions/mcp-sessions.ts'
import { keptLog } from '../fixtures/log.ts'

type Parts = Parameters<typeof mcpSessions>[0]

/** `here` and `elsewhere`: principals' keys by the ids of their sessions. */
function setUp ({ here = {}, elsewhere = {}, locate = async () => ({ status: 'unknown' }), unknown = [], peers = [], draining = false }: {
  here?: Record<string, string | undefined>
  elsewhere?: Record<string, string | undefined>
  locate?: (id: string) => Promise<unknown>
  /** Those that are gone when they are to be closed. */
  unknown?: string[]
  /** Who is found among the nodes. */
  peers?: Peer[]
  draining?: boolean
} = {}) {
  const log = keptLog()
  const closed: string[] = []
  const pages: unknown[] = []
  const records = Object.entries(elsewhere).map(([id, principal]) => ({ id, principal }))
  const face = mcpSessions({
    endpoint: { name: 'default', places: { taken: Object.keys(here).length }, counters: newCounters() } as Parts['endpoint'],
    faces: new Map(),
    sessions: {
      node: { id: 'a', tag: 'tag', url: 'http://a', incarnation: 'secret' },
      draining,
      get: (id: string) => id in here ? { id, endpoint: { name: 'default' } } : undefined,
      values: () => Object.entries(here).map(([id, principalKey]) => ({ id, principalKey })),
      close: async (id: string, by: unknown) => {
        t.strictSame(by, { endpoint: 'default' })
        closed.push(id)
        return unknown.includes(id) ? 'unknown' : 'removed'
      }
    } as unknown as Parts['sessions'],
    directory: {
      stamp: 7,
      peers: async () => peers,
      tags: { read: async () => new Map() },
      locate,
      // One a page.
      list: async (page: { cursor?: string }) => {
        pages.push(page)
        const at = Number(page.cursor ?? 0)
        return { sessions: records.slice(at, at + 1), ...(at + 1 < records.length && { cursor: String(at + 1) }) }
      }
    } as unknown as Parts['directory'],
    drain: async () => { throw new Error('nobody asked for that') },
    handsOver: true,
    log: log as unknown as FastifyBaseLogger
  })
  return { face, log, closed, pages }
}

const misrouted = { status: 'misrouted', record: { node: 'b' }, tag: 'tag of b', url: 'http://b' }
const away = async (): Promise<never> => { throw new DirectoryUnavailableError('away') }

t.test('what is here is had without a look elsewhere', async t => {
  const { face } = setUp({ here: { x: undefined }, locate: away })
  t.equal(await face.has('x'), true)
  t.strictSame(await face.locate('x'), { status: 'local', node: { id: 'a', tag: 'tag', url: 'http://a' } })
})

t.test('the readings are of the endpoint\'s own sessions, and of its node', async t => {
  const transport = (streams: number, calls: number) => ({ streams, calls: { size: calls } })
  const sessions = [['default', 2, 1], ['default', 1, 0], ['admin', 10, 10]].map(([name, streams, calls]) => ({ endpoint: { name }, transport: transport(streams as number, calls as number) }))
  const directory = { up: false, outages: 2, owners: { hit: 3, miss: 4 } }
  const parts = { endpoint: { name: 'default' }, faces: new Map([['default', {}], ['admin', {}]]), sessions: { node: {}, leased: false, values: () => sessions }, stateless: { inFlight: 4 }, directory: { readings: directory } }
  const face = mcpSessions(parts as unknown as Parts)
  t.strictSame(face.readings(), { streams: 3, calls: 5, leased: false, directory })
  t.strictSame(face.endpoints, ['default', 'admin'])
})

t.test('what is not here is not had, and the log says where it is', async t => {
  for (const [locate, level, status] of [
    [async () => ({ status: 'unknown' }), 'debug', undefined],
    [async () => misrouted, 'warn', 'misrouted'],
    [async () => ({ status: 'orphaned', record: { node: 'b' } }), 'warn', 'orphaned'],
    [away, 'warn', undefined]
  ] as const) {
    const { face, log } = setUp({ locate })
    t.equal(await face.has('a-whole-session-id'), false)
    t.match(log.lines, [{ level, fields: { session: /^[\w-]{12}$/ } }])
    t.equal(log.lines[0]!.fields['status'], status)
  }
  await t.rejects(setUp({ locate: async () => { throw new Error('a fault') } }).face.has('x'), { message: 'a fault' })
})

t.test('a location says of the owner what helps to find it', async t => {
  t.strictSame(await setUp({ locate: async () => misrouted }).face.locate('x'), { status: 'misrouted', node: { id: 'b', tag: 'tag of b', url: 'http://b' } })
  t.strictSame(await setUp({ locate: async () => ({ ...misrouted, url: undefined }) }).face.locate('x'), { status: 'misrouted', node: { id: 'b', tag: 'tag of b' } })
  t.strictSame(await setUp({ locate: async () => ({ status: 'orphaned', record: { node: 'b' } }) }).face.locate('x'), { status: 'orphaned', node: { id: 'b' } })
  t.strictSame(await setUp().face.locate('x'), { status: 'unknown' })
  await t.rejects(setUp({ locate: away }).face.locate('x'), { code: 'MCP_STICKY_ERR_DIRECTORY_UNAVAILABLE' })
})

t.test('a page has a hundred sessions unless it is said, and a thousand at most', async t => {
  const { face, pages } = setUp()
  await face.list()
  await face.list({ limit: 1000, cursor: '0' })
  t.strictSame(pages, [{ cursor: undefined, limit: 100 }, { cursor: '0', limit: 1000 }])
  for (const limit of [0, 1001, 1.5]) await t.rejects(face.list({ limit }), { code: 'MCP_STICKY_ERR_OPTION' })
})

t.test('the sessions of a principal end everywhere, and each counts once', async t => {
  const [ann, bob] = [principalKey('ann'), principalKey('bob')]
  const { face, closed } = setUp({
    here: { one: ann, two: bob, three: ann },
    elsewhere: { one: ann, four: ann, five: bob, six: undefined, gone: ann },
    unknown: ['gone']
  })
  t.equal(await face.close({ principal: 'ann' }), 3)
  t.strictSame(closed, ['one', 'three', 'four', 'gone'])
})

t.test('one that is nowhere does not count', async t => {
  const { face } = setUp({ unknown: ['gone'] })
  t.strictSame([await face.close('there'), await face.close('gone')], [1, 0])
})

t.test('among the routes is this node before its first beat, until it drains', async t => {
  const b: Peer = { id: 'b', url: 'http://b', tag: 'tb', tags: ['tb'], tagged: {}, state: 'up', sessions: 0, room: 1, format: 2, endpoints: { default: '/mcp' }, incarnation: 'i', started: 0 }
  const [here, there] = [{ url: 'http://a', tags: ['tag'] }, { url: 'http://b', tags: ['tb'] }]
  t.strictSame(await setUp({ peers: [b] }).face.routes(), { version: 7, routes: [there, here] })
  t.strictSame((await setUp({ peers: [{ ...b, tags: ['tag', 'tb'] }] }).face.routes()).routes, [{ ...there, tags: ['tag', 'tb'] }, { ...here, tags: [] }], 'without a tag that another has')
  t.strictSame((await setUp({ peers: [{ ...b, id: 'a', url: 'http://a', tags: ['tag'] }] }).face.routes()).routes, [here], 'once')
  t.strictSame((await setUp({ peers: [b], draining: true }).face.routes()).routes, [there])
  t.strictSame((await setUp({ draining: true }).face.routes()).routes, [here], 'it is all there is')
})
