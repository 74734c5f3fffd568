import t from 'tap'
import { decoded, single } from '../../lib/stateless/header-value.ts'

t.test('text is as it is, and Base64 is what it stands for', async t => {
  for (const [field, value] of [
    ['us-west1', 'us-west1'], ['', ''], ['=?base64?', '=?base64?'], ['=?base64?=', '=?base64?='],
    ['=?base64?SGVsbG8sIOS4lueVjA==?=', 'Hello, 世界'], ['=?base64??=', ''], ['=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=', '=?base64?literal?=']
  ] as const) t.equal(decoded(field), value, field)
})

t.test('what is no Base64 with its padding, or no UTF-8, stands for nothing', async t => {
  for (const base64 of ['SGVsbG8', 'SGVs bG8=', '=', 'SGVsbG8!', '/w==']) t.equal(decoded(`=?base64?${base64}?=`), undefined, base64)
})

t.test('a field that comes twice equals nothing', async t => {
  t.equal(single(' a '), 'a')
  t.equal(single(['a', 'a']), 'a, a')
  t.equal(single(undefined), undefined)
})
