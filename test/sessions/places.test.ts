import t from 'tap'
import { keyAt } from '../../lib/endpoint-name.ts'
import { Places } from '../../lib/sessions/places.ts'

const key = (subject: string): string => JSON.stringify(['', subject])

t.test('places are counted before sessions are there', async t => {
  const places = new Places({ maxPerNode: 2, maxPerPrincipal: 5 })
  t.equal(places.reserve(undefined), undefined)
  t.equal(places.reserve(undefined), undefined)
  t.equal(places.reserve(undefined), 'node_full')
  t.equal(places.reserveMoved(undefined), false)
  t.strictSame([places.room, places.expected, places.taken], [0, 2, 0])
  places.unreserve(undefined)
  t.equal(places.reserveMoved(undefined), true)
  places.came()
  t.strictSame([places.room, places.expected, places.taken], [0, 1, 1])
  places.left(undefined)
  t.strictSame([places.room, places.expected, places.taken], [1, 1, 0])
})

for (const endpoint of ['default', 'admin']) {
  t.test(`${endpoint}: a principal has a share of its own; anonymous sessions have none`, async t => {
    const places = new Places({ maxPerNode: 10, maxPerPrincipal: 1 })
    const [a, b, anonymous] = [keyAt(endpoint, key('a')), keyAt(endpoint, key('b')), keyAt(endpoint, undefined)]
    t.equal(places.reserve(a), undefined)
    t.equal(places.reserve(a), 'principal_limit')
    t.equal(places.reserve(b), undefined)
    t.equal(places.reserve(anonymous), undefined)
    t.equal(places.reserve(anonymous), undefined)
    places.came()
    places.left(a)
    t.equal(places.reserve(a), undefined)
    t.equal(places.reserve(a), 'principal_limit')
  })
}
