import t from 'tap'
import { Unsent } from '../../../lib/http/unsent.ts'
import { WaitingEvents } from '../../../lib/transport/streams/waiting-events.ts'
import { notification } from '../../fixtures/wired-transport.ts'

function setUp (most = Infinity) {
  const unsent = new Unsent({ most, keepAlive: 3_600_000 })
  const passed: string[][] = []
  const events = new WaitingEvents(unsent, texts => { passed.push(texts) })
  const add = (json: string) => events.add(notification('n'), json)
  return { unsent, passed, events, add }
}

t.test('what waits counts twice its text, until it is taken', async t => {
  const { unsent, events, add } = setUp()
  const [one, two] = [add('12345'), add('123')]
  t.equal(unsent.total, 16)
  t.equal(events.take(one), '12345')
  t.equal(one.message, undefined)
  t.equal(unsent.total, 6)
  t.equal(events.take(one), undefined, 'once')
  t.equal(unsent.total, 6)
  t.equal(events.take(two), '123')
  t.equal(unsent.total, 0)
})

t.test('what is too much is handed over in order, and taken no more', async t => {
  const { unsent, passed, events, add } = setUp(10)
  const [one, two] = [add('1'), add('22')]
  t.strictSame(passed, [])
  const three = add('333')
  t.strictSame(passed, [['1', '22', '333']])
  t.strictSame([one, two, three].map(event => events.take(event)), [undefined, undefined, undefined])
  t.equal(unsent.total, 0)
  add('4')
  t.strictSame([passed.length, unsent.total], [1, 2], 'what comes then waits again')
  add('55555')
  t.strictSame(passed[1], ['4', '55555'])
})
