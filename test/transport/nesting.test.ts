import t from 'tap'
import { MAX_DEPTH, tooDeep } from '../../lib/transport/nesting.ts'

const arrays = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
const objects = (depth: number): string => '{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1)
const deep = (json: string): boolean => tooDeep(JSON.parse(json), Buffer.byteLength(json))

t.test('so many levels, of arrays and objects alike, and no more', async t => {
  for (const nested of [arrays, objects]) {
    t.equal(deep(nested(MAX_DEPTH)), false)
    t.equal(deep(nested(MAX_DEPTH + 1)), true)
  }
  t.equal(deep(`{"a":[1,${arrays(MAX_DEPTH - 2)}]}`), false)
  t.equal(deep(`{"a":[1,${arrays(MAX_DEPTH - 1)}]}`), true)
})

t.test('what is broad is not deep', async t => {
  t.equal(deep(JSON.stringify(Array.from({ length: 10_000 }, () => [{ a: null }]))), false)
  for (const json of ['null', '1', `"${'['.repeat(5000)}"`]) t.equal(deep(json), false)
})
