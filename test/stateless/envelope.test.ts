import t from 'tap'
import { eraOf, isMetaMalformed, problemOf } from '../../lib/stateless/envelope.ts'
import { isSessionless, META, REVISION } from '../../lib/stateless/revision.ts'

const meta = { [META.version]: REVISION, [META.capabilities]: {} }
const request = (method: string, params: object = {}, _meta: unknown = meta): any => ({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } })
const bare = (method: string): any => ({ jsonrpc: '2.0', id: 1, method })
const notification = (_meta?: object): any => ({ jsonrpc: '2.0', method: 'notifications/x', ...(_meta && { params: { _meta } }) })
const headers = (method: string, more: object = {}) => ({ 'mcp-protocol-version': REVISION, 'mcp-method': method, ...more })
const reason = (message: any, fields: Record<string, string>) => problemOf(message, fields)?.reason

t.test('the era of a message', async t => {
  for (const [body, version, era] of [
    [request('tools/list'), undefined, 'stateless'],
    [request('tools/list'), '2025-11-25', 'stateless'],
    [request('initialize'), undefined, 'stateless'],
    [request('tools/list', {}, { [META.version]: '2025-11-25' }), undefined, 'stateless'],
    [bare('tools/list'), REVISION, 'stateless'],
    [bare('initialize'), REVISION, 'stateless'],
    [notification(), REVISION, 'stateless'],
    [notification(meta), undefined, 'stateless'],
    [[bare('ping'), request('ping')], undefined, 'stateless'],
    [[bare('ping')], REVISION, 'sessions'],
    [bare('tools/list'), undefined, 'sessions'],
    [bare('tools/list'), '2025-11-25', 'sessions'],
    [bare('initialize'), undefined, 'sessions'],
    [request('initialize', {}, { [META.version]: REVISION }), undefined, 'sessions'],
    [{ jsonrpc: '2.0', id: 1, result: {} }, REVISION, 'sessions'],
    [null, REVISION, 'sessions'], [1, undefined, 'sessions'], [{}, REVISION, 'sessions']
  ] as const) t.equal(eraOf(body, version), era, `${JSON.stringify(body)} ${version}`)
  t.strictSame([undefined, '2025-11-25', REVISION, '2027-01-01'].map(isSessionless), [false, false, true, true])
})

t.test('a request that is in order has no problem', async t => {
  t.equal(problemOf(request('tools/list'), headers('tools/list')), undefined)
  t.equal(problemOf(request('tools/call', { name: 'a' }), headers('tools/call', { 'mcp-name': 'a' })), undefined)
  t.equal(problemOf(request('resources/read', { uri: 'x://世' }), headers('resources/read', { 'mcp-name': '=?base64?eDovL+S4lg==?=' })), undefined)
  t.equal(problemOf(notification(), { 'mcp-protocol-version': REVISION }), undefined)
  t.equal(problemOf(request('tools/list', {}, { ...meta, [META.clientInfo]: { name: 'a', version: '1' }, [META.logLevel]: 'info' }), headers('tools/list')), undefined)
  t.equal(problemOf(request('tools/call', {}), headers('tools/call')), undefined, 'what has no name is the method\'s to refuse')
})

t.test('the envelope', async t => {
  for (const _meta of [
    {}, { [META.version]: REVISION }, { ...meta, [META.version]: 1 }, { ...meta, [META.capabilities]: [] }, { ...meta, [META.capabilities]: { sampling: 1 } },
    { ...meta, [META.clientInfo]: 'x' }, { ...meta, [META.clientInfo]: { name: 'x' } },
    ...[{ title: 1 }, { description: {} }, { websiteUrl: null }, { icons: 'x' }].map(more => ({ ...meta, [META.clientInfo]: { name: 'x', version: '1', ...more } })), { ...meta, [META.logLevel]: 'loud' }
  ]) t.equal(reason(request('tools/list', {}, _meta), headers('tools/list')), 'envelope_invalid', JSON.stringify(_meta))
  t.equal(reason(bare('tools/list'), headers('tools/list')), 'envelope_invalid')
  t.equal(reason(notification({ [META.version]: 1 }), headers('notifications/x')), 'envelope_invalid')
  t.strictSame([{ params: { _meta: 1 } }, { params: { _meta: null } }, { params: { _meta: {} } }, { params: {} }, 1].map(isMetaMalformed), [true, true, false, false, false])
})

t.test('header fields that say something else, or are missing', async t => {
  const call = request('tools/call', { name: 'a' })
  for (const fields of [
    {}, { 'mcp-protocol-version': REVISION }, { 'mcp-method': 'tools/call' }, headers('tools/call'), headers('tools/list', { 'mcp-name': 'a' }),
    headers('tools/call', { 'mcp-name': 'b' }), headers('tools/call', { 'mcp-name': '=?base64?YQ?=' }), { ...headers('tools/call', { 'mcp-name': 'a' }), 'mcp-protocol-version': '2025-11-25' }
  ]) t.equal(reason(call, fields as Record<string, string>), 'header_mismatch', JSON.stringify(fields))
  t.equal(reason(bare('initialize'), headers('initialize')), 'header_mismatch')
  t.equal(reason(request('initialize', {}, { [META.version]: REVISION }), headers('initialize')), 'header_mismatch')
  t.equal(reason(notification(), headers('notifications/y')), 'header_mismatch')
  t.equal(reason(notification(meta), headers('notifications/y')), 'header_mismatch')
  t.equal(reason(request('tools/call'), headers('tools/call', { 'mcp-name': '=?base64?YQ?=' })), 'header_mismatch')
})

t.test('a version that is not served, told in data alone', async t => {
  const later = request('tools/list', {}, { ...meta, [META.version]: '2099-01-01' })
  const problem = problemOf(later, { 'mcp-protocol-version': '2099-01-01', 'mcp-method': 'tools/list' })
  t.match(problem, { reason: 'version_unsupported', data: { supported: [REVISION], requested: '2099-01-01' } })
  t.notMatch(problem!.detail, '2099')
  t.equal((problemOf(request('tools/list', {}, { ...meta, [META.version]: 'x'.repeat(1000) }), {})!.data!['requested'] as string).length, 64)
  t.equal(reason(later, {}), 'version_unsupported', 'before what is missing')
  t.equal(reason(notification({ [META.version]: '2099-01-01' }), {}), 'version_unsupported')
  for (const version of ['2099-01-01', `${REVISION}, ${REVISION}`, '=?base64?MjAyNi0wNy0yOA==?=']) {
    t.equal(reason(notification(), { 'mcp-protocol-version': version }), 'version_unsupported', `in the header of a notification: ${version}`)
  }
})

t.test('nothing that a client wrote is in a detail', async t => {
  const secret = 'hush'
  for (const [message, fields] of [
    [request('tools/call', { name: secret }), headers('tools/call', { 'mcp-name': 'x' })],
    [request(secret), headers('other')],
    [request('tools/list', {}, { ...meta, [META.logLevel]: secret }), headers('tools/list')]
  ] as const) t.notMatch(problemOf(message, fields)!.detail, secret)
})
