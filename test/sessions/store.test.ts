import t from 'tap'
import type { LocalSession } from '../../lib/sessions/session.ts'
import { SessionStore } from '../../lib/sessions/store.ts'

const session = (id: string, principalKey?: string): LocalSession => ({ id, principalKey }) as LocalSession

t.test('places are counted before sessions are there', async t => {
  const store = new SessionStore({ maxPerNode: 2, maxPerPrincipal: 5 })
  t.equal(store.reserve(undefined), undefined)
  t.equal(store.reserve(undefined), undefined)
  t.equal(store.reserve(undefined), 'node_full')
  store.unreserve(undefined)
  t.equal(store.reserve(undefined), undefined)
  t.equal(store.size, 0)
})

t.test('a principal has a share of its own; anonymous sessions have none', async t => {
  const store = new SessionStore({ maxPerNode: 10, maxPerPrincipal: 1 })
  t.equal(store.reserve('a'), undefined)
  t.equal(store.reserve('a'), 'principal_limit')
  t.equal(store.reserve('b'), undefined)
  t.equal(store.reserve(undefined), undefined)
  t.equal(store.reserve(undefined), undefined)
  const a = session('1', 'a')
  store.add(a)
  t.equal(store.get('1'), a)
  t.equal(store.delete(a), true)
  t.equal(store.delete(a), false, 'a place is given back once')
  t.equal(store.reserve('a'), undefined)
  t.equal(store.reserve('a'), 'principal_limit')
})
