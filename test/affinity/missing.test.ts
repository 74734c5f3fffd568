import t from 'tap'
import { Missing } from '../../lib/affinity/missing.ts'
import type { Location } from '../../lib/directory/directory.ts'
import type { NodeStatus } from '../../lib/directory/node.ts'
import type { SessionRecord } from '../../lib/directory/record.ts'
import { DirectoryUnavailableError } from '../../lib/errors.ts'
import { newSessionId, nodeTag } from '../../lib/session-id.ts'
import type { Addressed } from '../../lib/sessions/incoming.ts'

const TAG = nodeTag({ id: 'b', url: 'http://b' })
const ID = newSessionId(TAG)
const B = { id: 'b', url: 'http://b', tag: TAG, format: 1, endpoints: { default: '/mcp' } } as unknown as NodeStatus
const GONE = { owner: 'gone' } as const

/** Owners that tell how they were asked; `seen`: the node that the id names. */
function setUp ({ seen = B as NodeStatus | null, beats = async () => true } = {}) {
  const asked: unknown[] = []
  let looks: (() => Promise<boolean>) | undefined
  const owners = {
    recorded: async (record: SessionRecord) => {
      asked.push(['recorded', record.id])
      return { owner: 'holds', url: 'http://b' } as const
    },
    unrecorded: async (id: string, { beats, ...node }: { id: string, url: string, format: number, beats: () => Promise<boolean> }) => {
      asked.push(['unrecorded', id, node])
      looks = beats
      return { owner: 'holds', url: 'http://b' } as const
    }
  }
  const directory = { beats, lastSeen: (tag: string) => tag === TAG && seen !== null ? [seen] : [] }
  return { asked, beats: () => looks!(), missing: new Missing({ endpoint: 'default', directory, owners, url: 'http://self' }), alone: new Missing({ endpoint: 'default', directory, owners: undefined, url: 'http://self' }) }
}

const request = (more: object = {}): Addressed => ({ id: ID, caller: { key: 'ann' }, hop: false, ...more }) as unknown as Addressed
const orphaned = (more: object = {}): Location => ({ status: 'orphaned', record: { id: ID, node: 'b', principal: 'ann', ...more } as SessionRecord })

t.test('a session without a record is looked for at the node that its id names', async t => {
  const { asked, missing } = setUp()
  t.match(await missing.standing(request(), { status: 'unknown' }, 'unknown'), { owner: 'holds' })
  t.strictSame(asked, [['unrecorded', ID, { id: 'b', url: 'http://b', format: 1 }]])
})

t.test('an orphan is looked for at its owner, unless that has given it up', async t => {
  const { asked, missing } = setUp()
  t.match(await missing.standing(request(), orphaned(), 'orphaned'), { owner: 'holds' })
  t.strictSame(asked, [['recorded', ID]])
  t.strictSame(await missing.standing(request(), orphaned({ released: true }), 'orphaned'), GONE)
  t.strictSame(await missing.standing(request(), orphaned(), 'adoption_failed'), GONE, 'that it is gone is known')
  t.equal(asked.length, 1)
})

t.test('somebody else\'s is looked for as if it had no record', async t => {
  const { asked, missing } = setUp()
  await missing.standing(request({ caller: { key: 'eve' } }), orphaned(), 'unknown')
  await missing.standing(request({ caller: { key: undefined } }), orphaned({ released: true }), 'unknown')
  t.strictSame(asked.map(([how]: any) => how), ['unrecorded', 'unrecorded'])
})

t.test('nobody is asked where nobody need be, or can be', async t => {
  const { asked, missing, alone } = setUp()
  t.strictSame(await alone.standing(request(), { status: 'unknown' }, 'unknown'), GONE)
  t.strictSame(await missing.standing(request({ hop: true }), { status: 'unknown' }, 'unknown'), GONE)
  t.strictSame(await missing.standing(request(), { status: 'unknown', ended: true }, 'unknown'), GONE)
  t.strictSame(await missing.standing(request({ id: 'of-nobody' }), { status: 'unknown' }, 'unknown'), GONE)
  for (const seen of [null, { ...B, url: undefined }, { ...B, url: 'http://self' }]) {
    const other = setUp({ seen })
    t.strictSame(await other.missing.standing(request(), { status: 'unknown' }, 'unknown'), GONE)
    t.strictSame(other.asked, [])
  }
  t.strictSame(asked, [])
})

t.test('a node of which nobody can say may live', async t => {
  for (const [beats, lives] of [
    [async () => true, true], [async () => false, false], [async () => { throw new DirectoryUnavailableError('away') }, true]
  ] as const) {
    const { missing, beats: looked } = setUp({ beats })
    await missing.standing(request(), { status: 'unknown' }, 'unknown')
    t.equal(await looked(), lives)
  }
  const { missing, beats } = setUp({ beats: async () => { throw new Error('a fault') } })
  await missing.standing(request(), { status: 'unknown' }, 'unknown')
  await t.rejects(beats(), { message: 'a fault' })
})

t.test('a node that lacks the endpoint is not asked: it cannot have the session', async t => {
  const { missing, asked } = setUp({ seen: { ...B, endpoints: { admin: '/mcp/admin' } } })
  t.strictSame(await missing.standing(request(), { status: 'unknown' }, 'unknown'), GONE)
  t.strictSame([asked, missing.named(ID)], [[], []])
})
