import t from 'tap'
import { ago, jsonOf, safe, table } from '../../lib/cli/table.ts'

t.test('a table has columns, and what is missing is a dash', async t => {
  t.equal(table(['A', 'LONG'], [['one', 1], [undefined, ''], ['x', 22]]), 'A    LONG\none  1\n-    -\nx    22\n')
})

t.test('no text acts on a terminal', async t => {
  t.equal(safe('a\u001b[2J\u009b\n\u202eb'), 'a\\u001b[2J\\u009b\\u000a\\u202eb')
  t.equal(table(['A'], [['\u0007']]), 'A\n\\u0007\n')
  const json = jsonOf({ name: '\u001b\u009b\u202e' })
  t.notOk(/[\u001b\u009b\u202e]/.test(json)) // eslint-disable-line no-control-regex
  t.strictSame(JSON.parse(json), { name: '\u001b\u009b\u202e' })
})

t.test('how long is said in the unit that says something', async t => {
  const units: Array<[number, string]> = [[0, '0 s'], [-5, '0 s'], [119_000, '119 s'], [120_000, '2 min'], [7_199_000, '119 min'], [7_200_000, '2 h'], [172_800_000, '2 d']]
  t.strictSame(units.map(([milliseconds]) => ago(milliseconds)), units.map(([, text]) => text))
})
