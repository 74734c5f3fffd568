import t from 'tap'
import { json } from '../../lib/redis/json.ts'

t.test('what is no JSON says nothing', async t => {
  t.strictSame(json('{"a":[1]}'), { a: [1] })
  t.equal(json('null'), null)
  for (const text of [undefined, '', '{', 'undefined']) t.equal(json(text), undefined, String(text))
})
