import t from 'tap'
import { ANONYMOUS, callerOf } from '../../lib/security/caller.ts'
import { principalKey } from '../../lib/security/principal.ts'

t.test('a caller has its principal, as a key too, and what the SDK is told', async t => {
  const authInfo = { token: 't', clientId: 'c', scopes: [] }
  const principal = { issuer: 'i', subject: 's' }
  const caller = callerOf(principal, authInfo)
  t.strictSame([caller.principal, caller.key, caller.authInfo], [principal, principalKey(principal), authInfo])
})

t.test('nobody is anonymous, however it is said', async t => {
  for (const who of [null, undefined]) t.strictSame(callerOf(who, undefined), ANONYMOUS)
})

t.test('what names nobody is no caller', async t => {
  t.throws(() => callerOf({ issuer: 'i' } as never, undefined), { code: 'MCP_STICKY_ERR_PRINCIPAL' })
})
