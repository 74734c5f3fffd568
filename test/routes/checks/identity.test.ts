import t from 'tap'
import { identified } from '../../../lib/routes/checks/identity.ts'
import type { RouteContext } from '../../../lib/routes/context.ts'
import { ANONYMOUS } from '../../../lib/security/caller.ts'
import type { Incoming } from '../../../lib/sessions/incoming.ts'
import { until } from '../../fixtures/until.ts'

function setUp ({ principal, authInfo }: { principal?: () => unknown, authInfo?: () => unknown }) {
  const refusals: string[] = []
  const context = { anonymous: ANONYMOUS, principal, authInfo, refuse: (_reply: unknown, reason: string) => refusals.push(reason) } as unknown as RouteContext
  const incoming = { request: {}, reply: {}, ids: [], batch: false } as unknown as Incoming
  return { context, incoming, refusals }
}

const authInfo = { token: 't', clientId: 'c', scopes: [] }

t.test('where nobody is asked everybody is anonymous, at once', async t => {
  const { context, incoming } = setUp({})
  let went = false
  identified(context, incoming, () => { went = true })
  t.equal(went, true)
  t.equal(incoming.caller, ANONYMOUS)
})

t.test('answers that are there at once are not waited for', async t => {
  const { context, incoming } = setUp({ principal: () => 'ann', authInfo: () => authInfo })
  let went = false
  identified(context, incoming, () => { went = true })
  t.equal(went, true)
  t.match(incoming.caller, { principal: 'ann', key: String, authInfo })
})

t.test('promises are', async t => {
  for (const asked of [{ principal: async () => 'ann' }, { principal: () => 'ann', authInfo: async () => authInfo }]) {
    const { context, incoming } = setUp(asked)
    let went = false
    identified(context, incoming, () => { went = true })
    t.equal(went, false)
    await until('it goes on', () => went)
    t.equal(incoming.caller.principal, 'ann')
  }
})

t.test('who cannot be identified goes no further', async t => {
  const fails = () => { throw new Error('no') }
  const rejects = async () => { throw new Error('no') }
  for (const asked of [
    { principal: fails }, { principal: rejects }, { authInfo: fails }, { principal: () => ({ issuer: 1 }) },
    { principal: rejects, authInfo: fails }, { principal: async () => 'ann', authInfo: fails }, { principal: rejects, authInfo: rejects }
  ]) {
    const { context, incoming, refusals } = setUp(asked)
    identified(context, incoming, () => t.fail('it went on'))
    await until('it is refused', () => refusals.length > 0)
    t.strictSame(refusals, ['auth_failed'])
  }
})

t.test('what fails after that is no fault of the application\'s', async t => {
  for (const principal of [() => 'ann', async () => 'ann', undefined]) {
    const { context, incoming, refusals } = setUp({ ...(principal && { principal }) })
    identified(context, incoming, () => { throw new Error('no') })
    await until('it is refused', () => refusals.length > 0)
    t.strictSame(refusals, ['internal'])
  }
})
