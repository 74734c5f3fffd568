import { JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js'
import { isJSONRPCNotification, isJSONRPCRequest, isJSONRPCResponse } from '@modelcontextprotocol/server'
import t from 'tap'
import { initializeProblem, parseMessages } from '../../lib/transport/parse.ts'
import { mutations } from '../fixtures/mutations.ts'
import { request } from '../fixtures/wired-transport.ts'

const task = 'io.modelcontextprotocol/related-task'

t.test('messages of every kind pass as they are', async t => {
  for (const message of [
    request(1), request(''), request(-1), request('a b'), { jsonrpc: '2.0', id: 0, method: 'ping' },
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', method: 'x', params: { _meta: { progressToken: 1, [task]: { taskId: 't' }, more: [] } } },
    { jsonrpc: '2.0', id: 'e-1', result: {} },
    { jsonrpc: '2.0', id: 1, result: { _meta: {} } },
    { jsonrpc: '2.0', id: 1, error: { code: -1, message: 'm', data: null } },
    { jsonrpc: '2.0', error: { code: -1, message: 'm' } }
  ]) {
    const parsed = parseMessages(message)
    t.same(parsed, { messages: [message], batch: false }, JSON.stringify(message))
    t.same(parseMessages([message, message]), { messages: [message, message], batch: true })
  }
})

t.test('the refusal names the field', async t => {
  const wrong: Array<[unknown, string]> = [
    [null, 'the message must be an object'],
    ['text', 'the message must be an object'],
    [{}, 'jsonrpc must be "2.0"'],
    [{ jsonrpc: '2.0' }, 'the message must have a method, a result or an error'],
    [{ jsonrpc: '2.0', id: 1, method: 1 }, 'method must be a string'],
    [{ jsonrpc: '2.0', id: null, method: 'x' }, 'id must be a string or an integer'],
    [{ jsonrpc: '2.0', id: 1.5, method: 'x' }, 'id must be a string or an integer'],
    [{ jsonrpc: '2.0', id: 2 ** 53, method: 'x' }, 'id must be a string or an integer'],
    [{ jsonrpc: '2.0', id: 1, method: 'x', params: [] }, 'params must be an object'],
    [{ jsonrpc: '2.0', id: 1, method: 'x', params: null }, 'params must be an object'],
    [{ jsonrpc: '2.0', id: 1, method: 'x', extra: 1 }, 'extra is not a member of this kind of message'],
    [{ jsonrpc: '2.0', id: 1, method: 'x', result: {} }, 'result is not a member of this kind of message'],
    [{ jsonrpc: '2.0', id: 1, method: 'x', params: { _meta: null } }, 'params._meta must be an object'],
    [{ jsonrpc: '2.0', id: 1, method: 'x', params: { _meta: { progressToken: null } } }, 'params._meta.progressToken must be a string or an integer'],
    [{ jsonrpc: '2.0', id: 1, method: 'x', params: { _meta: { [task]: {} } } }, `params._meta["${task}"] must be an object with a string taskId`],
    [{ jsonrpc: '2.0', id: 1, result: [] }, 'result must be an object'],
    [{ jsonrpc: '2.0', result: {} }, 'id must be a string or an integer'],
    [{ jsonrpc: '2.0', id: 1, result: {}, error: {} }, 'error is not a member of this kind of message'],
    [{ jsonrpc: '2.0', id: 1, result: { _meta: 1 } }, 'result._meta must be an object'],
    [{ jsonrpc: '2.0', id: null, error: { code: 1, message: '' } }, 'id must be a string or an integer'],
    [{ jsonrpc: '2.0', id: 1, error: 'no' }, 'error must be an object'],
    [{ jsonrpc: '2.0', id: 1, error: { message: '' } }, 'error.code must be an integer'],
    [{ jsonrpc: '2.0', id: 1, error: { code: 1 } }, 'error.message must be a string'],
    [{ jsonrpc: '2.0', id: 1, error: { code: 1, message: '' }, params: {} }, 'params is not a member of this kind of message'],
    [[], 'a batch must not be empty'],
    [Array(101).fill(request(1)), 'a batch must not exceed 100 messages'],
    [[request(1), []], 'messages[1] must be an object'],
    [[request(1), request(2), { ...request(3), params: 3 }], 'messages[2].params must be an object']
  ]
  for (const [body, invalid] of wrong) t.same(parseMessages(body), { invalid }, JSON.stringify(body)?.slice(0, 80))
})

t.test('what passes, both SDK lines take, and the other way round', async t => {
  const seed = 20251125
  t.comment(`seed ${seed}`)
  let passed = 0
  let refused = 0
  for (const message of mutations(seed, 8_000)) {
    const ours = !('invalid' in parseMessages(message))
    const theirs = JSONRPCMessageSchema.safeParse(message).success
    const theirs2 = [isJSONRPCRequest, isJSONRPCNotification, isJSONRPCResponse].some(takes => takes(message))
    if (ours !== (theirs && theirs2)) t.fail('disagreement', { message: JSON.stringify(message), ours, theirs, theirs2 })
    if (ours) passed++
    else refused++
  }
  t.ok(passed > 1000 && refused > 1000, `${passed} passed, ${refused} refused`)
})

t.test('initialize needs its parameters', async t => {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'n', version: 'v' } }
  t.equal(initializeProblem(request(1, 'initialize', params)), undefined)
  t.equal(initializeProblem({ jsonrpc: '2.0', id: 1, method: 'initialize' }), 'params is required')
  for (const [change, problem] of [
    [{ protocolVersion: 1 }, 'params.protocolVersion must be a string'],
    [{ capabilities: null }, 'params.capabilities must be an object'],
    [{ clientInfo: [] }, 'params.clientInfo must be an object'],
    [{ clientInfo: { version: '' } }, 'params.clientInfo.name must be a string'],
    [{ clientInfo: { name: '' } }, 'params.clientInfo.version must be a string'],
    [{ clientInfo: { name: '', version: '', title: 1 } }, 'params.clientInfo.title must be a string'],
    [{ capabilities: { roots: true } }, 'params.capabilities.roots must be an object']
  ] as const) t.equal(initializeProblem(request(1, 'initialize', { ...params, ...change })), problem)
})
