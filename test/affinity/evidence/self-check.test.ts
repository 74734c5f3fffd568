import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { SelfCheck } from '../../../lib/affinity/evidence/self-check.ts'
import { SELF } from '../../../lib/http/between-nodes.ts'
import { PATHS } from '../../../lib/http/internal-paths.ts'
import { identity } from '../../fixtures/directory-node.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { keptLog } from '../../fixtures/log.ts'
import { until } from '../../fixtures/until.ts'
import { startOwner } from '../forwarding/node.ts'

function check (t: Test, url: string) {
  const log = keptLog()
  const node = identity('a', url)
  const self = new SelfCheck({ node, interval: 10, log: log as never })
  t.teardown(() => self.stop())
  return { log, node, self }
}

/** What answers at the node's url. */
async function setUp (t: Test) {
  const there = { asked: 0, answer: (_request: IncomingMessage, response: ServerResponse): void => { response.end('{}') } }
  const { url } = await startOwner(t, (request, response) => {
    there.asked++
    there.answer(request, response)
  })
  const checked = check(t, url)
  const own = (request: IncomingMessage, response: ServerResponse): void => {
    response.end(request.url === PATHS.self ? JSON.stringify({ answer: checked.self.answer(request.headers[SELF]) }) : '')
  }
  return { there, own, ...checked }
}

t.test('a node that reaches itself says nothing, and asks no more', async t => {
  const { there, own, log, node, self } = await setUp(t)
  there.answer = own
  t.equal(self.problem, true, 'not known yet')
  self.start()
  await until('it is known', () => !self.problem)
  t.strictSame([node.reached, log.lines, there.asked], [true, [], 1])
})

t.test('somebody else\'s answer keeps it from being ready, is said once, and asked again', async t => {
  const { there, own, log, node, self } = await setUp(t)
  self.start()
  await until('it has asked again', () => there.asked > 3)
  t.strictSame([self.problem, node.reached], [true, undefined])
  t.match(log.lines, [{ level: 'error', fields: { seen: /status 200/ } }])
  there.answer = (_request, response) => { response.writeHead(302, { location: 'http://elsewhere/' }).end() }
  await until('another is said', () => log.lines.length === 2)
  t.match(log.lines[1], { fields: { seen: /redirect to http:\/\/elsewhere\// } })
  there.answer = own
  await until('it reaches itself', () => !self.problem)
  t.match(log.lines[2], { level: 'info' })
})

t.test('that nobody answers is a warning, and no hindrance', async t => {
  const { log, node, self } = check(t, `http://127.0.0.1:${await freePort()}`)
  self.start()
  await until('it is said', () => log.lines.length > 0)
  t.strictSame([self.problem, node.reached], [false, undefined])
  t.match(log.lines, [{ level: 'warn' }])
})

t.test('no other process has its answer', async t => {
  const [one, other] = [check(t, 'http://a').self, check(t, 'http://a').self]
  t.equal(one.answer('q'), one.answer('q'))
  t.not(one.answer('q'), other.answer('q'))
  t.not(one.answer('q'), one.answer('r'))
  for (const none of [undefined, ['q']]) t.equal(one.answer(none), undefined)
})
