import t from 'tap'
import { newSessionId } from '../../../lib/session-id.ts'
import { checkStream, eventId, placeOf, scopeOf } from '../../../lib/redis/events/event-ids.ts'
import { StreamNames } from '../../../lib/transport/streams/stream-names.ts'

t.test('an event is found by what it is called', async t => {
  for (const place of [{ stream: 'a', entry: '0-1' }, { stream: 'a/b/1-2', entry: '1700000000000-0' }]) t.strictSame(placeOf(eventId(place)), place)
})

t.test('what no event is called has no place', async t => {
  for (const id of ['', 'a', 'a/', '/1-1', 'a/1', 'a/1-', 'a/01-1', 'a/1-01', 'a/-1-1', 'a/1-1-1', 'a/$', 'a/+', 'a b/1-1', 'ü/1-1', 'a/1-1\n', `${'a'.repeat(201)}/1-1`, `a/${'1'.repeat(17)}-1`]) t.equal(placeOf(id), undefined, id)
})

t.test('the streams of a session are kept together, those of nobody\'s apart', async t => {
  for (let i = 0; i < 50; i++) {
    const id = newSessionId('0123456789abcdef')
    t.equal(scopeOf(new StreamNames(id, 'token').next('get')), id)
  }
  for (const name of ['stream', 'a:b', '0123456789abcdef.short:1']) t.equal(scopeOf(name), name)
})

t.test('a name that an id cannot carry is refused', async t => {
  for (const name of ['a', 'x'.repeat(200)]) t.doesNotThrow(() => checkStream(name))
  for (const name of ['', 'x'.repeat(201), 'a b', 'ü', 'a\n']) t.throws(() => checkStream(name), TypeError, name)
})
