import t from 'tap'
import { Way } from '../../../lib/affinity/forwarding/way.ts'

t.test('silence is that of an answer which was awaited before, with nothing answered since', async t => {
  const way = new Way()
  t.equal(way.silentSince(10), false)
  way.awaited.add({ heard: 5, breakOff: () => {} })
  t.equal(way.silentSince(10), true)
  t.equal(way.silentSince(5), false)
  way.worked(10)
  t.equal(way.silentSince(10), true)
  way.worked(11)
  way.worked(9)
  t.equal(way.silentSince(10), false)
})

t.test('what is given up is that of which nothing was heard since then', async t => {
  const way = new Way()
  const given: string[] = []
  const error = new Error('gone')
  const awaited = (name: string, heard: number): void => { way.awaited.add({ heard, breakOff: why => { if (why === error) given.push(name) } }) }
  awaited('old', 5)
  awaited('later', 10)
  awaited('nobody waits for the other node', Infinity)
  t.equal(way.breakOff(5, error), false)
  t.equal(way.breakOff(10, error), true)
  t.strictSame(given, ['old'])
})
