import t from 'tap'
import { UnderWay } from '../../lib/http/under-way.ts'
import { FakeResponse } from './fake-response.ts'

t.test('answers are under way until they end, and each is one', async t => {
  const underWay = new UnderWay()
  const [one, other, ended] = [new FakeResponse(), new FakeResponse(), new FakeResponse()]
  ended.end()
  for (const { raw } of [one, one, other, ended]) underWay.add(raw)
  t.strictSame([...underWay.values()], [one, other])
  t.equal(underWay.size, 2)
  t.equal(one.listenerCount('close'), 1)
  one.destroy()
  t.strictSame([...underWay.values()], [other])
})

t.test('who waits for those that are under way does not wait for later ones', async t => {
  const underWay = new UnderWay()
  await underWay.given()
  const [one, other, late] = [new FakeResponse(), new FakeResponse(), new FakeResponse()]
  underWay.add(one.raw)
  underWay.add(other.raw)
  let over = false
  const given = underWay.given().then(() => { over = true })
  underWay.add(late.raw)
  one.destroy()
  await new Promise(resolve => { setImmediate(resolve) })
  t.equal(over, false)
  other.destroy()
  await given
  t.equal(underWay.size, 1)
})
