import t from 'tap'
import { Answers } from '../../lib/stateless/answers.ts'

const list = (params?: object): any => ({ jsonrpc: '2.0', id: 1, method: 'tools/list', ...(params && { params }) })
const result = (more: object = {}) => ({ tools: [{ name: 'a' }], resultType: 'complete', ttlMs: 60_000, cacheScope: 'public', ...more })

t.test('a public list is said again, with the id of who asks and the time that is left', async t => {
  const answers = new Answers()
  const key = Answers.key(list())!
  t.equal(answers.find(key, 1), undefined)
  answers.said(key, result(), answers.news)
  for (const id of [7, 'a"b']) {
    const answer = JSON.parse(answers.find(key, id)!)
    t.match(answer, { jsonrpc: '2.0', id, result: { tools: [{ name: 'a' }], resultType: 'complete', cacheScope: 'public' } })
    t.ok(answer.result.ttlMs > 0 && answer.result.ttlMs <= 60_000)
  }
})

t.test('what is not for everybody, or holds no time, is not kept', async t => {
  for (const other of [{ cacheScope: 'private' }, { cacheScope: undefined }, { ttlMs: 0 }, { ttlMs: -1 }, { ttlMs: '1' }, { resultType: 'input_required' }]) {
    const answers = new Answers()
    answers.said('tools/list', result(other), answers.news)
    t.equal(answers.find('tools/list', 1), undefined, JSON.stringify(other))
  }
})

t.test('it ends with its time', async t => {
  const answers = new Answers()
  const { now } = performance
  t.teardown(() => { performance.now = now })
  answers.said('tools/list', result({ ttlMs: 1000 }), answers.news)
  performance.now = () => now.call(performance) + 1001
  t.equal(answers.find('tools/list', 1), undefined)
})

t.test('news end what they are about, and what was asked before them', async t => {
  const answers = new Answers()
  const before = answers.news
  for (const key of ['tools/list', 'tools/list\nb', 'prompts/list']) answers.said(key, result(), before)
  answers.changed('notifications/tools/list_changed')
  t.equal(answers.find('tools/list', 1), undefined)
  t.equal(answers.find('tools/list\nb', 1), undefined)
  t.ok(answers.find('prompts/list', 1))
  answers.said('tools/list', result(), before)
  t.equal(answers.find('tools/list', 1), undefined)
  answers.changed('notifications/message')
  t.ok(answers.find('prompts/list', 1))
})

t.test('what makes a request another one', async t => {
  t.equal(Answers.key(list({ _meta: { a: 1 } })), 'tools/list')
  t.equal(Answers.key(list({ cursor: 'b' })), 'tools/list\nb')
  t.equal(Answers.key(list({ cursor: '' })), 'tools/list\n')
  for (const params of [{ cursor: 1 }, { cursor: 'x'.repeat(2000) }, { other: 1 }, { requestState: 'x' }]) t.equal(Answers.key(list(params)), undefined, JSON.stringify(params).slice(0, 40))
  t.equal(Answers.key({ ...list(), method: 'tools/call' }), undefined)
})
