import t from 'tap'
import { mayRemove } from '../../lib/directory/remover.ts'

t.test('a session is its principal\'s to end, and the application\'s', async t => {
  t.equal(mayRemove('any', { principal: 'a' }), true)
  t.equal(mayRemove({ principal: 'a' }, { principal: 'a' }), true)
  t.equal(mayRemove({ principal: 'b' }, { principal: 'a' }), false)
})

t.test('who is nobody ends what is nobody\'s, and no more', async t => {
  t.equal(mayRemove({ principal: undefined }, {}), true)
  t.equal(mayRemove({ principal: undefined }, { principal: 'a' }), false)
  t.equal(mayRemove({ principal: 'a' }, {}), false)
  t.equal(mayRemove({ principal: 'any' }, { principal: 'a' }), false, 'a principal of that name is not the application')
})
