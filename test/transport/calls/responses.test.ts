import t from 'tap'
import { SessionLog } from '../../../lib/http/session-log.ts'
import { Calls } from '../../../lib/transport/calls/calls.ts'
import { Opening, type OpeningListeners } from '../../../lib/transport/calls/opening.ts'
import type { PostAnswer } from '../../../lib/transport/calls/post-answer.ts'
import { Responses } from '../../../lib/transport/calls/responses.ts'
import type { Memory } from '../../../lib/transport/takeover/memory.ts'
import { SessionVersions } from '../../../lib/transport/versions.ts'
import { keptLog } from '../../fixtures/log.ts'
import { request, result, SESSION_ID } from '../../fixtures/wired-transport.ts'

/** Calls of these ids; one of 0 is initialize. */
function setUp (ids: number[], listeners: OpeningListeners = {}) {
  const log = keptLog()
  const answered: any[] = []
  const remembered: unknown[] = []
  const calls = new Calls(ids.map(id => [id, {
    initialize: id === 0,
    request: () => request(id),
    // As an answer does that has to be made JSON of.
    respond: (response: unknown) => { answered.push(JSON.parse(JSON.stringify(response))) },
    fail: (error: unknown) => { answered.push(error) }
  } as unknown as PostAnswer]))
  const versions = new SessionVersions()
  const memory = { accepted: (request: unknown) => remembered.push(request) } as unknown as Memory
  return { log, answered, remembered, calls, versions, responses: new Responses({ calls, versions, opening: new Opening(listeners), memory, log: new SessionLog(log, SESSION_ID) }) }
}

const error = (id: number) => ({ jsonrpc: '2.0' as const, id, error: { code: 1, message: 'no' } })

t.test('a call is answered once, and what the server did is remembered', async t => {
  const { log, answered, remembered, calls, responses } = setUp([1, 2])
  await responses.respond(result(1))
  t.strictSame([answered, remembered, [...calls.keys()]], [[result(1)], [request(1)], [2]])
  await responses.respond(result(1))
  t.strictSame([answered.length, log.lines.at(-1)!.level], [1, 'debug'])
  await responses.respond(error(2))
  t.strictSame([answered.length, remembered.length], [2, 1], 'what it refused is not')
})

t.test('a result that is no JSON is an error for both', async t => {
  const { answered, responses } = setUp([1])
  t.throws(() => responses.respond(result(1, { n: 1n })), TypeError)
  t.match(answered, [{ id: 1, error: { code: -32603 } }])
})

t.test('initialize is answered when the session is open', async t => {
  let open = (): void => {}
  const { answered, calls, versions, responses } = setUp([0], { onInitialized: () => new Promise(resolve => { open = resolve }) })
  const responding = responses.respond(result(0, { protocolVersion: '2025-03-26' }))
  t.strictSame([answered, calls.size, versions.negotiated], [[], 1, '2025-03-26'])
  open()
  await responding
  t.match(answered, [{ id: 0, result: { protocolVersion: '2025-03-26' } }])
  t.equal(calls.size, 0)
})

t.test('a session that cannot be opened is an error, and one that has ended meanwhile is answered already', async t => {
  const broken = setUp([0], { onInitialized: async () => { throw new Error('no') } })
  await broken.responses.respond(result(0))
  t.match([broken.answered, broken.log.lines], [[{ id: 0, error: { code: -32603 } }], [{ level: 'error' }]])
  const ended = setUp([0])
  const responding = ended.responses.respond(result(0))
  ended.responses.end(0, ended.calls.get(0)!)
  await responding
  t.equal(ended.answered.length, 1)
  t.match(ended.answered, [{ id: 0, error: { data: { reason: 'session_ended' } } }])
})

t.test('a session that is refused or ends does not open', async t => {
  for (const how of ['refused', 'ended', 'not taken'] as const) {
    let failed = 0
    const { answered, calls, responses } = setUp([0, 1], { onInitializeFailed: () => { failed++ } })
    for (const id of [1, 0]) {
      if (how === 'refused') await responses.respond(error(id))
      else if (how === 'ended') responses.end(id, calls.get(id)!)
      else responses.fail(id)
      t.equal(failed, 1 - id)
    }
    t.strictSame([answered.length, calls.size], [2, 0], how)
  }
  const { answered, responses } = setUp([])
  responses.fail(1)
  t.strictSame(answered, [], 'nobody is there to be told')
})
