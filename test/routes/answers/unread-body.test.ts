import type { FastifyReply } from 'fastify'
import t from 'tap'
import { Unsent } from '../../../lib/http/unsent.ts'
import { followBody } from '../../../lib/routes/answers/unread-body.ts'
import { keptLog } from '../../fixtures/log.ts'
import { FakeResponse } from '../../http/fake-response.ts'

function setUp ({ most = Infinity } = {}) {
  const unsent = new Unsent({ most, keepAlive: 3_600_000 })
  const raw = new FakeResponse()
  raw.req.headers['mcp-session-id'] = '0123456789abcdef.AAAAAAAAAAAAAAAAAAAAAA'
  const log = keptLog()
  const follow = (length: number): void => followBody({ raw, log } as unknown as FastifyReply, length, unsent)
  return { unsent, raw, log, follow }
}

t.test('a body is counted until its client has taken it, and the connection is as it was', async t => {
  const { unsent, raw, log, follow } = setUp()
  follow(1000)
  t.equal(unsent.total, 1000)
  t.equal(raw.connection.timeout, unsent.patience)
  raw.emit('close')
  t.equal(unsent.total, 0)
  t.equal(raw.connection.timeout, 5000)
  t.strictSame(log.lines, [])
})

t.test('a limit that somebody else has set since stays', async t => {
  const { raw, follow } = setUp()
  follow(1000)
  raw.connection.timeout = 7
  raw.emit('close')
  t.equal(raw.connection.timeout, 7)
})

t.test('a client that takes nothing loses its connection, and so does one for whom there is no room', async t => {
  const slow = setUp()
  slow.follow(1000)
  slow.raw.onTimeout()
  t.strictSame([slow.raw.destroyed, slow.unsent.total], [true, 0])
  t.match(slow.log.lines, [{ level: 'warn', fields: { session: /^[\w-]{12}$/, unsent: 1000 } }])
  const { unsent, raw, follow } = setUp({ most: 100 })
  follow(150)
  t.equal(raw.destroyed, false, 'one alone may be of any size')
  unsent.hold({ sole: true, patient: true, letGo: () => {} }, 60)
  t.equal(raw.destroyed, true)
})

t.test('a client that has left is not followed, and of HTTP/2 the connection is nobody\'s', async t => {
  const { unsent, raw, follow } = setUp()
  raw.destroyed = true
  follow(1000)
  t.equal(unsent.total, 0)
  const http2 = setUp()
  http2.raw.stream = { destroyed: false, close: () => {} }
  http2.raw.setTimeout = () => {}
  http2.raw.connection.timeout = http2.unsent.patience
  http2.follow(1000)
  t.equal(http2.unsent.total, 1000)
  http2.raw.emit('close')
  t.equal(http2.raw.connection.timeout, http2.unsent.patience)
})
