import t from 'tap'
import { OpenRequests } from '../../../lib/redis/events/open-requests.ts'
import { notification, request, result } from '../../fixtures/wired-transport.ts'

t.test('an answer takes its request away, and what is no answer none', async t => {
  const open = new OpenRequests()
  open.begin('s', [1, '1', 'a'])
  t.strictSame(open.after('s', result(1)), ['"1"', '"a"'])
  t.strictSame(open.after('s', notification('n')), ['1', '"1"', '"a"'])
  t.strictSame(open.after('s', request(1)), ['1', '"1"', '"a"'], 'the server asks under an id of its own')
  t.strictSame(open.after('s', {}), ['1', '"1"', '"a"'])
  t.equal(open.after('other', result(1)), undefined)
})

t.test('a stream begins once, goes on with what is left, and ends with nothing', async t => {
  const open = new OpenRequests()
  open.begin('s', [1, 2])
  open.begin('s', [9])
  open.stored('s', open.after('s', result(2))!)
  t.strictSame(open.after('s', {}), ['1'])
  open.stored('s', [])
  t.equal(open.after('s', {}), undefined)
})

t.test('a request that any event leaves out is answered', async t => {
  const open = new OpenRequests()
  open.seen('s', ['1', '2', '3'])
  open.seen('s', ['1', '2'])
  open.seen('s', ['2', '3'])
  t.strictSame(open.after('s', {}), ['2'])
})

t.test('each that is left is answered, with those after it still open', async t => {
  const open = new OpenRequests()
  open.begin('a', [1, 2])
  open.begin('b', ['x'])
  t.strictSame([...open.answers()], [
    { stream: 'a', request: '1', open: ['2'] },
    { stream: 'a', request: '2', open: [] },
    { stream: 'b', request: '"x"', open: [] }
  ])
})
