import t from 'tap'
import { newSessionId, sessionDigest } from '../../lib/session-id.ts'
import { Places } from '../../lib/sessions/places.ts'
import type { LocalSession } from '../../lib/sessions/session.ts'
import { SessionStore } from '../../lib/sessions/store.ts'

t.test('a session is in the place that its endpoint has for it, and gives it back once', async t => {
  const store = new SessionStore()
  const places = new Places({ maxPerNode: 2, maxPerPrincipal: 1 })
  const tag = '0123456789abcdef'
  const session = { id: newSessionId(tag), principalKey: '["","a"]', endpoint: { places } } as unknown as LocalSession
  places.reserve(session.principalKey)
  store.add(session)
  t.equal(store.get(session.id), session)
  t.equal(store.idOf(sessionDigest(session.id)), session.id)
  t.strictSame([store.size, store.tagged, places.taken], [1, { [tag]: 1 }, 1])
  t.equal(store.delete(session), true)
  t.equal(store.delete(session), false)
  t.strictSame([store.size, store.tagged, places.taken, places.room], [0, {}, 0, 2])
})
