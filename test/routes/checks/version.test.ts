import t from 'tap'
import type { RouteContext } from '../../../lib/routes/context.ts'
import { speaks } from '../../../lib/routes/checks/version.ts'
import type { Incoming } from '../../../lib/sessions/incoming.ts'
import type { LocalSession } from '../../../lib/sessions/session.ts'

t.test('a version that the session does not take is refused, with those that it takes', async t => {
  const refusals: unknown[] = []
  const context = { refuse: (_reply: unknown, reason: string, details: object) => refusals.push([reason, details]) } as unknown as RouteContext
  const session = { transport: { acceptsVersion: (version: string) => version === 'a', acceptedVersions: ['a', 'b'] } } as unknown as LocalSession
  const incoming = (version: string): Incoming => ({ version, requestId: 7 }) as unknown as Incoming
  t.equal(speaks(context, incoming('a'), session), true)
  t.strictSame(refusals, [])
  t.equal(speaks(context, incoming('c'), session), false)
  t.strictSame(refusals, [['unsupported_protocol_version', { id: 7, detail: 'a, b' }]])
})
