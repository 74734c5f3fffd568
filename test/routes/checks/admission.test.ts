import t from 'tap'
import type { RouteContext } from '../../../lib/routes/context.ts'
import { isAddressed, isWellFormed, mayServe } from '../../../lib/routes/checks/admission.ts'
import type { Incoming } from '../../../lib/sessions/incoming.ts'

const reply = {} as Incoming['reply']

function setUp (state = 'open') {
  const refusals: unknown[] = []
  const context = { sessions: { state }, refuse: (to: Incoming, reason: string, details: object) => refusals.push([to.reply === reply, reason, details]) } as unknown as RouteContext
  return { context, refusals }
}

const incoming = (id: string | null | undefined): Incoming => ({ reply, id, requestId: 7 }) as unknown as Incoming

t.test('who names no session is well-formed, and not addressed; who names what is no id is neither', async t => {
  const { context, refusals } = setUp()
  t.strictSame(['a', null].map(id => isWellFormed(context, incoming(id))), [true, true])
  t.equal(isAddressed(context, incoming('a')), true)
  t.strictSame(refusals, [])
  t.equal(isWellFormed(context, incoming(undefined)), false)
  t.equal(isAddressed(context, incoming(null)), false)
  t.strictSame(refusals, [[true, 'session_malformed', { id: 7 }], [true, 'session_required', { id: 7 }]])
})

t.test('a node whose place another process has serves nothing', async t => {
  for (const state of ['open', 'draining', 'closing']) t.equal(mayServe(setUp(state).context, incoming('a')), true, state)
  const { context, refusals } = setUp('superseded')
  t.equal(mayServe(context, incoming('a')), false)
  t.match(refusals, [[true, 'node_superseded', { id: 7, retryAfter: Number }]])
})
