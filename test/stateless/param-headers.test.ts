import t from 'tap'
import { declarationsOf, fieldProblem } from '../../lib/stateless/param-headers.ts'

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', 'x-mcp-header': 'Region' },
    size: { type: 'integer', 'x-mcp-header': 'Size' },
    deep: { type: 'object', properties: { on: { type: 'boolean', 'x-mcp-header': 'On' } } },
    list: { type: 'array', items: { type: 'string', 'x-mcp-header': 'Item' } },
    odd: { type: 'string', 'x-mcp-header': 'no token' },
    plain: { type: 'string' }
  }
}
const declarations = declarationsOf(schema)
const problem = (args: unknown, headers: Record<string, string>) => fieldProblem(declarations, args, headers)

t.test('what is declared along properties', async t => {
  t.strictSame(declarations.map(({ path, field }) => [path.join('.'), field]), [['region', 'mcp-param-region'], ['size', 'mcp-param-size'], ['deep.on', 'mcp-param-on']])
  for (const nothing of [undefined, null, 1, {}, { properties: null }, { 'x-mcp-header': 'Root' }]) t.strictSame(declarationsOf(nothing), [])
})

t.test('fields that repeat their arguments', async t => {
  for (const [args, headers] of [
    [{}, {}], [undefined, {}], [null, {}], [{ region: null }, {}], [{ plain: 'x' }, {}], [{ region: {} }, {}], [{ size: 2 ** 60 }, {}],
    [{ region: 'a' }, { 'mcp-param-region': 'a' }], [{ region: ' a' }, { 'mcp-param-region': '=?base64?IGE=?=' }],
    [{ size: 42 }, { 'mcp-param-size': '42.0' }], [{ deep: { on: true } }, { 'mcp-param-on': 'true' }], [{}, { 'mcp-param-region': 'a' }], [{}, { 'mcp-param-unknown': 'a' }]
  ] as const) t.equal(problem(args, headers), undefined, JSON.stringify([args, headers]))
})

t.test('fields that are missing, or say something else', async t => {
  for (const [args, headers] of [
    [{ region: 'a' }, {}], [{ region: 'a' }, { 'mcp-param-region': 'b' }], [{ region: 'a' }, { 'mcp-param-region': '=?base64?YQ?=' }],
    [{ size: 42 }, { 'mcp-param-size': '0x2a' }], [{ size: '42' }, { 'mcp-param-size': '42.0' }], [{ deep: { on: true } }, { 'mcp-param-on': 'True' }]
  ] as const) t.match(problem(args, headers), /^Mcp-Param-/, JSON.stringify([args, headers]))
  t.notMatch(problem({ region: 'hush' }, { 'mcp-param-region': 'x' }), 'hush')
})

t.test('an argument that is only inherited is none', async t => {
  t.equal(fieldProblem(declarationsOf({ properties: { constructor: { properties: { name: { type: 'string', 'x-mcp-header': 'N' } } } } }), {}, {}), undefined)
})
