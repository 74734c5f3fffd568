import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { HOP } from '../../lib/http/between-nodes.ts'
import { ANONYMOUS } from '../../lib/security/caller.ts'
import { Incoming } from '../../lib/sessions/incoming.ts'

const incoming = (headers: Record<string, unknown> = {}): Incoming => new Incoming({ headers } as unknown as FastifyRequest, {} as FastifyReply)

t.test('a session is named, or is not, or what names it is no id', async t => {
  const named = (id: unknown) => incoming({ 'mcp-session-id': id }).id
  t.equal(named('abc'), 'abc')
  for (const none of [undefined, '']) t.equal(named(none), null)
  for (const wrong of ['a b', 'a, b', 'ü', 'a\n', ['a', 'b']]) t.equal(named(wrong), undefined, String(wrong))
})

t.test('version and hop are those of the fields', async t => {
  t.strictSame([incoming().version, incoming().hop, incoming().caller], [undefined, false, ANONYMOUS])
  const { version, hop } = incoming({ 'mcp-protocol-version': '2025-06-18', [HOP]: '' })
  t.strictSame([version, hop], ['2025-06-18', true])
})

t.test('a refusal of the whole answers its one request, and of a batch none', async t => {
  const one = incoming()
  t.equal(one.requestId, undefined)
  one.ids = [0]
  t.equal(one.requestId, 0)
  one.batch = true
  t.equal(one.requestId, undefined)
})

t.test('what handlers are told is made once, with who sent it', async t => {
  const one = incoming()
  const authInfo = { token: 't', clientId: 'c', scopes: [] }
  one.caller = { ...ANONYMOUS, authInfo }
  t.equal(one.extra.authInfo, authInfo)
  t.equal(one.extra, one.extra)
})
