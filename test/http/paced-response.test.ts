import t from 'tap'
import { KEEP_ALIVE } from '../../lib/http/frames.ts'
import { PacedResponse } from '../../lib/http/paced-response.ts'
import { Unsent } from '../../lib/http/unsent.ts'
import { keptLog } from '../fixtures/log.ts'
import { FakeResponse } from './fake-response.ts'

const SLICE = 64 * 1024

function setUp ({ most = Infinity } = {}) {
  const unsent = new Unsent({ most, keepAlive: 3_600_000 })
  const response = new FakeResponse()
  const log = keptLog()
  const paced = new PacedResponse(response.raw, unsent, log)
  paced.onEnd(() => {})
  return { unsent, response, log, paced }
}

t.test('what its client takes goes out at once, and is kept nowhere', async t => {
  const { unsent, response, paced } = setUp()
  t.equal(paced.write('a'), true)
  await paced.drained()
  t.strictSame(response.written, ['a'])
  t.equal(unsent.total, 0)
  paced.end()
  t.equal(response.writableEnded, true)
})

t.test('what it does not take waits in slices, is counted, and goes in order', async t => {
  const { unsent, response, paced } = setUp()
  response.reads = false
  t.equal(paced.write(Buffer.alloc(SLICE + 1, 'a')), false)
  t.equal(paced.write('b'), false)
  t.strictSame(response.written.map(({ length }) => length), [SLICE])
  t.equal(unsent.total, SLICE + 2)
  let drained = false
  const waits = paced.drained(10).then(() => { drained = true })
  t.equal(unsent.total, SLICE + 12, 'with what those who wait hold on to')
  paced.end()
  t.equal(response.writableEnded, false, 'not before all is sent')
  response.take()
  t.strictSame(response.written.map(({ length }) => length), [SLICE, 1])
  t.equal(drained, false)
  response.reads = true
  response.take()
  t.strictSame(response.written.slice(1), ['a', 'b'])
  t.equal(response.writableEnded, true)
  response.destroy()
  await waits
  t.equal(unsent.total, 0)
})

t.test('who waits goes on when all was taken, or the client is gone', async t => {
  for (const over of ['taken', 'gone']) {
    const { response, paced } = setUp()
    response.reads = false
    paced.write('a')
    const waits = paced.drained()
    if (over === 'gone') response.destroy()
    else {
      response.reads = true
      response.take()
    }
    await waits
    t.pass(over)
  }
})

t.test('one message may be larger than the room; who keeps several loses its connection', async t => {
  const { unsent, response, log, paced } = setUp({ most: 10 })
  response.req.headers['mcp-session-id'] = '0123456789abcdef.AAAAAAAAAAAAAAAAAAAAAA'
  response.reads = false
  paced.write(Buffer.alloc(3 * SLICE))
  t.equal(response.destroyed, false)
  paced.write('b')
  t.equal(response.destroyed, true)
  t.equal(unsent.total, 0)
  t.match(log.lines, [{ level: 'warn', fields: { session: /^[\w-]{12}$/ } }])
  t.equal(paced.open, false)
})

t.test('a sign of life is written while nothing is unread, and not after the end', async t => {
  const { unsent, response, paced } = setUp()
  paced.ping()
  t.strictSame(response.written, [KEEP_ALIVE])
  response.writableLength = 5
  paced.ping()
  t.equal(unsent.total > 0, true, 'it is looked whether that is taken')
  paced.ping()
  t.equal(response.written.length, 2, 'once')
  const ended = setUp()
  ended.paced.end()
  ended.paced.ping()
  t.strictSame(ended.response.written, [])
})

t.test('nothing is written to a client that has left', async t => {
  const { unsent, response, paced } = setUp()
  response.destroy()
  t.equal(paced.write('a'), true)
  t.equal(paced.write(Buffer.alloc(SLICE + 1)), true)
  t.strictSame(response.written, [])
  t.equal(unsent.total, 0)
})
